"""`save`: Tensors and plain containers as a file that ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from cnnkit import storage
from cnnkit.serialization.program import Program

__all__ = ["save"]

ALIGNMENT = 64  # of the numbers in the file, so that they can be mapped into memory
DAY = (1980, 1, 1, 0, 0, 0)  # of all entries, so that the same Tensors give the same bytes
EXTRA = b"FB"  # PyTorch's mark of the bytes that fill up to the alignment
LOCAL_HEADER = 30  # bytes before an entry's name


@runtime_checkable
class Writable(Protocol):
    """A file object to write to."""

    def write(self, data: bytes, /) -> Any:
        """Add bytes."""


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write Tensors, and containers of them, so that PyTorch and `cnnkit.load` read them.

    Parameters
    ----------
    obj : object
        A state dict; or Tensors, numbers, text, bytes, ``None``, dtypes, devices, and dicts, lists, tuples
        and sets of them, as deep as need be.
    f : path, or binary file object
        Where to. A path's old file is replaced as a whole, or left alone.

    Raises
    ------
    TypeError
        If there is anything else in it; the message says where.
    OSError
        If it cannot be written.

    Notes
    -----
    The file is a zip archive as ``torch.save`` writes it, on the CPU; ``torch.load(path)`` gives torch's
    Tensors, and an optimizer's or a model's state dict loads there. A Tensor under two names stays one. The
    same contents give the same bytes.

    >>> import tempfile
    >>> import cnnkit
    >>> from cnnkit import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cnnkit.save(nn.Linear(2, 1).state_dict(), f"{folder}/net.pt")
    ...     print(*cnnkit.load(f"{folder}/net.pt"))
    weight bias
    """
    data = _archive(obj)
    if isinstance(f, str | os.PathLike):
        storage.write(Path(f), data)
    elif isinstance(f, Writable):
        f.write(data)
    else:
        raise TypeError(f"cnnkit.save takes a path or a file object to write to; got a {type(f).__name__}")


def _archive(obj: Any) -> bytes:
    program = Program()
    text = program.of(obj)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, stream, "data.pkl", text)
        _add(archive, stream, "byteorder", b"little")
        for key, numbers in enumerate(program.storages):
            _add(archive, stream, f"data/{key}", numbers)
        _add(archive, stream, "version", b"3\n")
    return stream.getvalue()


def _add(archive: zipfile.ZipFile, stream: io.BytesIO, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(f"archive/{name}", DAY)
    lacking = -(stream.tell() + LOCAL_HEADER + len(entry.filename) + 4) % ALIGNMENT
    entry.extra = EXTRA + lacking.to_bytes(2, "little") + b"Z" * lacking
    archive.writestr(entry, data)
