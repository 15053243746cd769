"""Whole safetensors files: Tensors of any backend to a file, or to bytes, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from cnnkit import backends, storage
from cnnkit.autograd import Tensor, tensor
from cnnkit.ops.dtypes import is_narrow
from cnnkit.safetensors.encoding import CODES, DTYPES, decode, encode
from cnnkit.storage import FormatError, limits

__all__ = ["file_bytes", "from_bytes", "header_metadata", "load_file", "read_metadata", "save_file", "split",
           "tensors_from_bytes", "to_bytes", "with_ending"]


def save_file(tensors: Mapping[str, Tensor], path: str | os.PathLike[str],
              metadata: Mapping[str, str] | None = None) -> Path:
    """Write Tensors of any backend to a safetensors file, whole or not at all; each keeps its dtype.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        A ``state_dict``.
    path : path
        The file to write; an existing one is replaced.
    metadata : mapping of str to str, optional
        Kept in the file's header.

    Raises
    ------
    TypeError
        If a Tensor has a dtype that the format does not hold (complex128), or metadata are no text.
    """
    return storage.write(Path(path), to_bytes(tensors, metadata))


def load_file(path: str | os.PathLike[str], backend: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Every Tensor has the dtype that it has in the file, with these exceptions, which are exact: bfloat16 and
    float16 are read as float32 where the backend has no such dtype (bfloat16: NumPy, array-api-strict), and
    8-bit floating point (F8_E4M3, F8_E5M2) is read as float32 on every backend.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if the file is damaged, is no safetensors file, holds a dtype that is unknown here, or
        is larger than the limits say (`cnnkit.storage.limits`: ``model_bytes``).
    """
    return tensors_from_bytes(file_bytes(path), path, backend)


def file_bytes(path: str | os.PathLike[str], header_only: bool = False) -> bytes:
    """A safetensors file's bytes, or only its header's with the 8 bytes before it.

    They are read when it is known that the file is as long as its header says, and within the limits
    ``header_bytes`` and ``model_bytes``. The header alone may be that of a file that is cut off.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged or too large; the message names it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(file_bytes(save_file({"x": tensor([1.0])}, f"{folder}/x.safetensors"))) % 8
    4
    """
    with storage.open_regular(path) as file:
        size, start = os.fstat(file.fileno()).st_size, file.read(8)
        length = int.from_bytes(start, "little")
        try:
            if not 2 <= length <= size - 8:
                raise ValueError(f"its header would have {length:,} bytes, and {max(0, size - 8):,} follow")
            limits.check("header_bytes", length, f"{os.fspath(path)}: its header")
            header = file.read(length)
            if header_only:
                return start + header
            ends = [entry["data_offsets"][1] for name, entry in json.loads(header).items()
                    if name != "__metadata__"]
            promised = 8 + length + max(ends, default=0)
            if promised != size:
                raise ValueError(f"its header asks for {promised:,} bytes, and it has {size:,}")
        except FormatError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(f"{path} is no whole safetensors file ({error}); save the model "
                              "again") from error
        limits.check("model_bytes", size, os.fspath(path))
        return start + header + file.read()


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts in a safetensors file's header, by name; nothing else of the file is read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if the header is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_file({}, f"{folder}/none.safetensors", {"made by": "cnnkit"})
    ...     read_metadata(path)
    {'made by': 'cnnkit'}
    """
    return header_metadata(file_bytes(path, header_only=True), path)


def header_metadata(data: bytes, path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts in the header of a file's bytes; errors name the `path` that they came from."""
    try:
        metadata = json.loads(split(data)[0]).get("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("its metadata must be texts")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is no whole safetensors file ({error}); save the model again") from error
    return metadata


def split(data: bytes) -> tuple[bytes, memoryview]:
    """A file's header, as JSON, and the bytes of its Tensors.

    Raises
    ------
    ValueError
        If the header does not fit into `data`.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise ValueError(f"its header would have {length:,} bytes, and {max(0, len(data) - 8):,} are there")
    return data[8:8 + length], memoryview(data)[8 + length:]


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> bytes:
    """The bytes of a file of these Tensors."""
    header: dict[str, Any] = {} if not metadata else {"__metadata__": dict(metadata)}
    if not all(isinstance(word, str) for pair in (metadata or {}).items() for word in pair):
        raise TypeError(f"a safetensors file's metadata are text by text; got {metadata!r}")
    encoded = {name: encode(name, value) for name, value in tensors.items()}
    start = 0
    # the widest numbers first, so that each lies at a multiple of its size
    names = sorted(encoded, key=lambda name: (-encoded[name].itemsize, name))
    for name in names:
        end = start + encoded[name].nbytes
        header[name] = {"dtype": CODES[backends.dtype_name(tensors[name].dtype)][0],
                        "shape": list(tensors[name].shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(encoded[name].tobytes() for name in names)])


def from_bytes(data: bytes, path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The NumPy arrays in a file's bytes; errors name the `path` that they came from.

    bfloat16 and 8-bit floating point, which NumPy does not have, become float32; that is exact.
    """
    return {name: decode(dtype, bits) for name, (dtype, bits) in _parsed(data, path).items()}


def tensors_from_bytes(data: bytes, path: str | os.PathLike[str], backend: str | None = None) -> dict[str,
                       Tensor]:
    """The Tensors in a file's bytes, as `load_file` gives them."""
    return {name: tensor(decode(dtype, bits), backend=backend, dtype=placed_dtype(dtype, backend))
            for name, (dtype, bits) in _parsed(data, path).items()}


def placed_dtype(dtype: str, backend: str | None) -> str | None:
    """The dtype that a Tensor gets which has this one in a file; ``None`` for that of the decoded array."""
    if dtype in backends.place(backend)[0].dtypes:
        return dtype
    return "float32" if is_narrow(dtype) else None


def check_dtype(code: str, name: str, path: str | os.PathLike[str]) -> str:
    """The plain name of a dtype in a file; FormatError if it is not read here."""
    dtype = DTYPES.get(code)
    if dtype is None:
        raise FormatError(f"{path} holds {name!r} in {code}, which cnnkit does not read; "
                          f"it reads {', '.join(DTYPES)}. Convert it where the file was made")
    return dtype


def _parsed(data: bytes, path: str | os.PathLike[str]) -> dict[str, tuple[str, np.ndarray]]:
    """Each Tensor's dtype, and its numbers as `CODES` says."""
    try:
        entries = deserialize(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is no whole safetensors file ({error}); save the model again") from error
    parsed = {}
    for name, entry in entries:
        dtype = check_dtype(entry["dtype"], name, path)
        parsed[name] = dtype, np.frombuffer(entry["data"], CODES[dtype][1]).reshape(entry["shape"])
    return parsed


def with_ending(path: str | os.PathLike[str]) -> Path:
    """The path with the ending ``.safetensors``, which may have been left out.

    >>> with_ending("models/net.v1").name, with_ending("net.safetensors").name
    ('net.v1.safetensors', 'net.safetensors')
    """
    return Path(path) if Path(path).suffix == ".safetensors" else Path(f"{path}.safetensors")
