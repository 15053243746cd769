"""The order of axes in memory, for libraries whose results are in C order whatever their arguments' order is.

NumPy gives the sum of two arrays that have their channels last the same order, CuPy does not; the kernels
after it would be slow ones. Elementwise work is therefore done on views whose axes are in order of memory.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

__all__ = ["inverse", "memory_order"]

Array = Any


def memory_order(arrays: Iterable[Any]) -> tuple[int, ...] | None:
    """The axes in order of memory, outermost first, of the first array with the most axes and elements.

    ``None`` where that is C order already, or where elements share memory. What is no array is passed over.
    """
    widest = None
    for array in arrays:
        if getattr(array, "ndim", 0) > 1 and (widest is None
                                              or (array.ndim, array.size) > (widest.ndim, widest.size)):
            widest = array
    return None if widest is None else _order(widest.shape, widest.strides)


@functools.lru_cache(4096)
def _order(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    if any(n > 1 and not stride for n, stride in zip(shape, strides)):
        return None
    c_order = tuple(range(len(shape)))
    # an axis of one element may stand anywhere: where it stands now
    moved = iter(sorted((axis for axis in c_order if shape[axis] > 1), key=lambda axis: -abs(strides[axis])))
    order = tuple([next(moved) if shape[axis] > 1 else axis for axis in c_order])
    return None if order == c_order else order


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `order`.

    >>> inverse((0, 2, 3, 1))
    (0, 3, 1, 2)
    """
    return tuple(sorted(range(len(order)), key=order.__getitem__))
