"""LazyFile: a safetensors file whose Tensors are read one by one, when they are asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from cnnkit import storage
from cnnkit.autograd import Tensor, tensor
from cnnkit.safetensors.encoding import CODES, DTYPES, decode
from cnnkit.safetensors.file import check_dtype, file_bytes, header_metadata, placed_dtype, split
from cnnkit.storage import FormatError, limits

__all__ = ["LazyFile", "open_file"]

# what NumPy has no dtype for, and is read by its bits
_BY_BITS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


class LazyFile(Mapping[str, Tensor]):
    """The Tensors of a safetensors file by name; `open_file` makes it.

    The file is mapped into memory (`safetensors.safe_open`), and a Tensor is read from it at each
    ``file[name]``. Nothing is kept: a file larger than memory can be gone through Tensor by Tensor.

    Attributes
    ----------
    metadata : dict of str to str
        The texts in the file's header.
    """

    metadata: dict[str, str]
    path: Any

    def __init__(self, path: str | os.PathLike[str], backend: str | None = None):
        header = file_bytes(path, header_only=True)
        self.path, self.metadata = os.fspath(path), header_metadata(header, path)
        self._backend, self._start = backend, len(header)
        self._size = os.stat(path).st_size
        limits.check("model_bytes", self._size, self.path)
        try:
            self._file: Any = safe_open(self.path, "np")
            self._names = list(self._file.keys())
            self._entries = json.loads(split(header)[0])
            for name in self._names:
                check_dtype(self._entries[name]["dtype"], name, path)
        except (SafetensorError, LookupError, TypeError, RecursionError) as error:
            raise FormatError(f"{path} is no whole safetensors file ({error}); save the model "
                              "again") from error

    def __getitem__(self, name: str) -> Tensor:
        """Read one Tensor.

        Raises
        ------
        KeyError
            If the file has none of that name.
        FormatError
            A ValueError: if the file has become shorter since it was opened.
        """
        if name not in self:
            raise KeyError(name)
        if os.stat(self.path).st_size < self._size:  # pages beyond a mapped file's end kill the process
            raise FormatError(f"{self.path} has become shorter since it was opened; open it again")
        dtype = DTYPES[self._entries[name]["dtype"]]
        if dtype in _BY_BITS:
            array = decode(dtype, self._bits(name, dtype))
        else:
            array = self._file.get_tensor(name)
        return tensor(array, backend=self._backend, dtype=placed_dtype(dtype, self._backend))

    def _bits(self, name: str, dtype: str) -> np.ndarray:
        begin, end = self._entries[name]["data_offsets"]
        with storage.open_regular(self.path) as file:
            file.seek(self._start + begin)
            data = file.read(end - begin)
        return np.frombuffer(data, CODES[dtype][1]).reshape(self._entries[name]["shape"])

    def __contains__(self, name: object) -> bool:
        return name in self._entries and name != "__metadata__"

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one Tensor, without reading it."""
        return tuple(self._entries[name]["shape"])

    def close(self) -> None:
        """Give the file back; nothing can be read afterwards."""
        self._file.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LazyFile({self.path!r}, {len(self)} Tensors)"


def open_file(path: str | os.PathLike[str], backend: str | None = None) -> LazyFile:
    """Open a safetensors file without reading its Tensors: a mapping that reads each when it is asked for.

    Dtypes are those of `load_file`. The file must stay as it is while it is open.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: as `load_file`.

    >>> import tempfile
    >>> from cnnkit import safetensors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tensors = {"x": tensor([1.0, 2.0]), "y": tensor([3])}
    ...     path = safetensors.save_file(tensors, f"{folder}/two.safetensors")
    ...     with open_file(path) as file:
    ...         print(sorted(file), file.shape("x"), file["y"])
    ['x', 'y'] (2,) tensor([3])
    """
    return LazyFile(path, backend)
