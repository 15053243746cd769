"""Look-ups by position: rows gathered from a table, and added into one; see `cnnkit.ops.gathering`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops import gathering as ops
from cnnkit_cpu import library
from cnnkit_cpu.layout import is_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

INT64 = np.dtype(np.int64)


def take(x: np.ndarray, index: np.ndarray, *, needs: Sequence[bool], axis: int) -> tuple:
    """The op of the same name, for tables without gaps in memory: it would copy others whole."""
    axis %= x.ndim
    if axis == 0 and is_channels_last(x):  # an image is a row, with its channels last as before
        y = np.moveaxis(_take(np.moveaxis(x, 1, -1), index, 0), -1, 1)
    elif x.flags.c_contiguous and x.flags.aligned:
        y = _take(x, index, axis)
    else:
        return decline("gaps in memory")
    size = x.shape[axis]
    return y, ((lambda dy: (ops.scatter_add(dy, index, axis=axis, size=size)[0][0], None))
               if needs[0] else None)


def _take(x: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    before, after, count = x.shape[:axis], x.shape[axis + 1:], len(index)
    index, y = _packed(index), empty((*before, count, *after), x.dtype)
    outside = library.active.take_rows(library.threads, prod(before), x.shape[axis], count,
                                       prod(after) * x.itemsize, address(x), address(index), address(y))
    _check(index, outside, x.shape[axis], axis)
    return y


def scatter_add(dy: np.ndarray, index: np.ndarray, *, needs: Sequence[bool], axis: int, size: int) -> tuple:
    """The op of the same name, for float32."""
    if dy.dtype != FLOAT:
        return decline(f"{dy.dtype}; it serves float32")
    axis %= dy.ndim
    before, after = dy.shape[:axis], dy.shape[axis + 1:]
    dy, index, y = packed(dy), _packed(index), empty((*before, size, *after))
    outside = library.active.scatter_add_rows(library.threads, prod(before), size, len(index), prod(after),
                                              address(dy), address(index), address(y))
    _check(index, outside, size, axis)
    return y, (lambda d: (ops.take(d, index, axis=axis)[0][0], None)) if needs[0] else None


def _packed(index: np.ndarray) -> np.ndarray:
    return packed(index if index.dtype == INT64 else index.astype(INT64))


def _check(index: np.ndarray, outside: int, size: int, axis: int) -> None:
    if outside >= 0:
        raise IndexError(f"index {index[outside]} is out of range for axis {axis} with size {size}")
