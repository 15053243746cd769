"""Arrays joined along an axis; see ``src/layout/join.h``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnkit.backends import decline
from cnnkit.backends.c_integers import array_of
from cnnkit_cpu import library
from cnnkit_cpu.layout import empty_channels_last, is_channels_last, to_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def concat(*arrays: np.ndarray, needs: Sequence[bool], axis: int = 0) -> tuple:
    """The op of the same name; gradients are views."""
    if any(type(a) is not np.ndarray or a.dtype != FLOAT for a in arrays):
        return decline("it serves float32 arrays")
    first, axis = arrays[0], axis % arrays[0].ndim
    shape = (*first.shape[:axis], sum(a.shape[axis] for a in arrays), *first.shape[axis + 1:])
    if 0 in shape or any(a.shape[:axis] != first.shape[:axis] or a.shape[axis + 1:] != first.shape[axis + 1:]
                         for a in arrays):
        return decline(f"shapes {[a.shape for a in arrays]}; it serves arrays that are not empty")
    if axis == 1 and any(map(is_channels_last, arrays)):
        y, rows, after = empty_channels_last(shape), shape[0] * math.prod(shape[2:]), 1
        arrays = tuple(map(to_channels_last, arrays))
    else:
        y, rows, after = empty(shape), math.prod(shape[:axis]), math.prod(shape[axis + 1:])
        arrays = tuple(map(packed, arrays))
    sizes = [a.shape[axis] * after for a in arrays]
    if max(sizes) >= 2**31:
        return decline(f"rows of {max(sizes)} numbers; it serves those below 2^31")
    count = len(arrays)
    library.active.join_rows(library.threads, count, rows, array_of(ctypes.c_long, "concat: sizes", *sizes),
                             (ctypes.c_void_p * count)(*map(address, arrays)), address(y))
    return y, _backward([a.shape[axis] for a in arrays], axis, needs) if True in needs else None


def _backward(lengths: Sequence[int], axis: int, needs: Sequence[bool]) -> Callable:
    def backward(dy: np.ndarray) -> tuple:
        ends = np.cumsum(lengths)
        return tuple(dy[(*(slice(None),) * axis, slice(end - n, end))] if needed else None
                     for n, end, needed in zip(lengths, ends.tolist(), needs))
    return backward
