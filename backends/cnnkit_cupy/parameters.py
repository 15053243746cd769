"""Kernel parameters: each argument is checked against what the kernel declares, and values are packed.

An array is checked whenever a launch meets a new layout; numbers and structures are packed once for each
value: see `cnnkit_cupy.launcher`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.backends import dtype_name
from cnnkit.backends.c_integers import fitting
from cnnkit_cupy.sources import structure

__all__ = ["In", "InTable", "Numbers", "Out", "OutTable", "Scalar", "Struct", "contiguous", "strides"]

Array = Any


@dataclass(frozen=True)
class _Array:
    dtype: str

    strided = optional = channels_last = False
    aligned = 0

    def check(self, label: str, argument: Array | None, address: int) -> None:
        """Raise an error if the array, which begins at `address`, is not what the kernel declares."""
        if argument is None:
            if not self.optional:
                raise TypeError(f"{label} must be an array of {self.dtype}; got None")
            return
        if dtype_name(argument.dtype) != self.dtype:
            raise TypeError(f"{label} must be an array of {self.dtype}; got {dtype_name(argument.dtype)}")
        if not self.strided and not contiguous(argument, self.channels_last):
            order = "contiguous with the channels last" if self.channels_last else "contiguous"
            raise ValueError(f"{label} must be {order}; "
                             f"got shape {argument.shape} with strides {argument.strides}")
        size = argument.dtype.itemsize
        address = address if argument.size else 0
        if address % size or any(s % size for s in argument.strides):
            raise ValueError(f"{label} is not aligned to its elements of {size} bytes")
        outer_strides = []  # none where the kernel gets no strides: it takes the array as one row
        if self.strided or self.channels_last:
            outer_strides = [s for n, s in zip(argument.shape, argument.strides) if n > 1 and s != size]
        if self.aligned and argument.size and (address % self.aligned
                                               or any(s % self.aligned for s in outer_strides)):
            raise ValueError(f"{label} must be aligned to {self.aligned} bytes, the beginning "
                             f"and each stride but that of neighbours; got strides {argument.strides}, "
                             f"and the beginning {address % self.aligned} bytes off")


@dataclass(frozen=True)
class In(_Array):
    """An array that the kernel reads.

    `strided`: it may be any view, and the kernel gets its strides. `aligned`: the kernel reads so many bytes
    at once, so the array begins at a multiple of it, and so is each stride but that of neighbouring elements.
    """

    strided: bool = False
    optional: bool = False
    aligned: int = 0


@dataclass(frozen=True)
class Out(_Array):
    """An array that the kernel writes, in full, in C order.

    `channels_last`: (N, C, H, W) whose memory is (N, H, W, C). `aligned` as for `In`.
    """

    optional: bool = False
    channels_last: bool = False
    aligned: int = 0


@dataclass(frozen=True)
class InTable(In):
    """Up to `count` arrays that the kernel reads, given as a tuple: the structure of their addresses.

    What is missing is null. See ``Table`` in prims.cuh.
    """

    count: int = 0


@dataclass(frozen=True)
class OutTable(Out):
    """Up to `count` arrays that the kernel writes; see `InTable`."""

    count: int = 0


@dataclass(frozen=True)
class Numbers:
    """`count` numbers by value, given as a sequence: see ``Numbers`` in prims.cuh."""

    dtype: str
    count: int

    def pack(self, label: str, module: str, argument: Any) -> np.ndarray:
        """The numbers as an array of one element, which nobody can change."""
        dtype = np.dtype(self.dtype)
        if len(argument) != self.count:
            raise TypeError(f"{label} needs {self.count} numbers; got {len(argument)}")
        packed = np.zeros(1, np.dtype([("of", dtype, (self.count,))]))
        if isinstance(argument, np.ndarray) and argument.dtype == dtype:
            packed["of"] = argument
        else:
            packed["of"] = [fitting_number(label, dtype.type, number) for number in argument]
        packed.flags.writeable = False
        return packed


@dataclass(frozen=True)
class Scalar:
    """A number by value."""

    dtype: str

    def pack(self, label: str, module: str, argument: Any) -> np.ndarray:
        """The number as an array of one element of the declared type, which nobody can change."""
        dtype = np.dtype(self.dtype)
        packed = np.array([fitting_number(label, dtype.type, argument)], dtype)
        packed.flags.writeable = False
        return packed


@dataclass(frozen=True)
class Struct:
    """A structure of the source by value, given as a mapping or a tuple of its fields."""

    name: str

    def pack(self, label: str, module: str, argument: Any) -> np.ndarray:
        """The structure as an array of one element, which nobody can change."""
        return pack(label, structure(module, self.name), argument)


def pack(label: str, dtype: np.dtype, values: Any) -> np.ndarray:
    """A structure by value, as an array of one element."""
    names = dtype.names or ()
    fields = values if isinstance(values, Mapping) else dict(zip(names, values, strict=True))
    if fields.keys() != set(names):
        raise TypeError(f"{label} needs the fields {', '.join(names)}; got {', '.join(fields)}")
    packed = np.zeros(1, dtype)
    for name in names:
        packed[name] = fitting_number(f"{label}, {name}", dtype[name].type, fields[name])
    packed.flags.writeable = False
    return packed


def fitting_number(label: str, kind: type[np.generic], number: Any) -> int | float:
    """The number, as a value that fits its type; of floats, one too large becomes infinite as NumPy's do.

    NumPy alone would cut off what follows the point, read text, take None for NaN, and not name the argument.
    """
    if issubclass(kind, np.floating):
        if not isinstance(number, (int, float, np.number)):
            raise TypeError(f"{label} must be a number; got {number!r}")
        return float(number)
    limits = np.iinfo(kind)  # type: ignore[type-var]
    return fitting(label, number, limits.min, limits.max)


def strides(array: Array) -> tuple[int, ...]:
    """Strides in elements."""
    size = array.dtype.itemsize
    return tuple([s // size for s in array.strides])


def contiguous(array: Array, channels_last: bool = False) -> bool:
    """Whether the array's memory is in C order, or has the channels last, without gaps."""
    if 0 in array.shape:
        return True
    expected = array.dtype.itemsize
    # axes, beginning with the one whose elements are neighbours in memory
    order = (1, 3, 2, 0) if channels_last else range(array.ndim - 1, -1, -1)
    for n, stride in ((array.shape[axis], array.strides[axis]) for axis in order):
        if n > 1 and stride != expected:
            return False
        expected *= n
    return True
