"""Storages of PyTorch's files: flat numbers, of which Tensors are views with size, strides and offset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor, tensor
from cnnkit.safetensors.encoding import CODES, decode
from cnnkit.safetensors.file import placed_dtype
from cnnkit.serialization.opcodes import Refused
from cnnkit.storage import FormatError, limits

__all__ = ["BITS", "STORAGES", "Storage", "Views"]

# PyTorch's names of typed storages; an untyped one holds bytes
STORAGES = {f"{name}Storage": dtype for name, dtype in {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
    "ComplexFloat": "complex64", "ComplexDouble": "complex128", "Untyped": "uint8",
    "Float8_e4m3fn": "float8_e4m3fn", "Float8_e5m2": "float8_e5m2"}.items()}
# dtype -> how its numbers lie in a file, as NumPy reads them
BITS = {**{dtype: np.dtype(bits) for dtype, (_, bits) in CODES.items()}, "complex128": np.dtype("<c16")}
MOST_AXES = 32


class Storage:
    """Flat numbers of one dtype; `data` is ``None`` until they are read.

    Parameters
    ----------
    dtype : str
        A name of `BITS`.
    count : int
        How many numbers there are.
    location : str
        PyTorch's name of the device that they were on, such as ``"cuda:0"``.
    data : bytes-like, optional
    """

    count: int
    data: Any
    dtype: str
    location: str

    def __init__(self, dtype: str, count: int, location: str, data: Any = None):
        self.dtype, self.count, self.location, self.data = dtype, count, location, data
        self._numbers: dict[str, np.ndarray] = {}

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return self.count * BITS[self.dtype].itemsize

    def numbers(self, dtype: str) -> np.ndarray:
        """The numbers, flat, as `dtype`; float32 where NumPy has no such dtype."""
        if dtype not in self._numbers:
            bits = np.frombuffer(self.data, BITS[dtype], self.nbytes // BITS[dtype].itemsize)
            self._numbers[dtype] = decode(dtype, bits)
        return self._numbers[dtype]


class Views:
    """Makes Tensors of storages, and sees that they do not take more memory than a file of this size may.

    Parameters
    ----------
    where : str
        The file, for messages.
    file_size : int
        In bytes.
    place : callable
        ``place(location)``: what `cnnkit.tensor` takes as ``device``.
    """

    file_size: int
    place: Any
    where: str

    def __init__(self, where: str, file_size: int, place: Any):
        self.where, self.file_size, self.place, self._spent = where, file_size, place, 0

    def begin(self) -> None:
        """Count anew, because the Tensors are made once more."""
        self._spent = 0

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None = None,
               requires_grad: Any = False) -> Tensor | None:
        """A Tensor of `size`, whose number at (i, j, ...) is that at ``offset + i * stride[0] + ...``.

        ``None`` while the storage has no numbers yet.

        Raises
        ------
        FormatError
            If it goes beyond the storage, or all Tensors so far beyond the limits.
        """
        if not isinstance(storage, Storage):
            raise ValueError(f"a Tensor is made of a {type(storage).__name__}, and not of a storage")
        dtype = storage.dtype if dtype is None else dtype
        size, stride = _integers(size, "size"), _integers(stride, "strides")
        (offset,) = _integers((offset,), "offset")
        if len(size) != len(stride) or len(size) > MOST_AXES:
            raise ValueError(f"a Tensor has {len(size)} axes and {len(stride)} strides")
        end = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride)) if math.prod(size) else offset
        if end * BITS[dtype].itemsize > storage.nbytes:
            raise ValueError(f"a Tensor of shape {size}, strides {stride}, offset {offset} goes beyond its "
                             f"{storage.nbytes:,} bytes")
        self._spent += math.prod(size) * BITS[dtype].itemsize  # strides of 0 make much of little
        limits.check("array_bytes", self._spent, f"{self.where}: what its Tensors take in memory",
                     self.file_size)
        if storage.data is None:
            return None
        numbers = storage.numbers(dtype)
        view = np.lib.stride_tricks.as_strided(
            numbers[offset:], size, [step * numbers.itemsize for step in stride], writeable=False)
        device = self.place(storage.location)
        new = tensor(np.ascontiguousarray(view).reshape(size), device=device,
                     dtype=placed_dtype(dtype, device))
        return new.requires_grad_() if requires_grad is True and new.is_floating_point() else new


def _integers(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, Sequence) or not all(type(n) is int and n >= 0 for n in values):
        raise ValueError(f"the {what} of a Tensor is no sequence of whole numbers from 0")
    return tuple(values)


def typed(name: str) -> str:
    """The dtype of a storage by PyTorch's name of its class.

    Raises
    ------
    Refused
        If it is quantised, or of a dtype that is unknown here.
    """
    dtype = STORAGES.get(name.rpartition(".")[2])
    if dtype is None:
        raise Refused(f"it holds numbers of {name}, which cnnkit does not read; it reads "
                      f"{', '.join(STORAGES)}")
    return dtype


def check_whole(storage: Storage, available: int, key: str) -> None:
    """Raise FormatError if a storage has more bytes than there are for it."""
    if storage.nbytes > available:
        raise FormatError(f"its storage {key!r} of {storage.count:,} numbers needs {storage.nbytes:,} bytes, "
                          f"and {available:,} are there")
