"""In the place of ``cupy.cuda.thrust``, whose sorts are compiled for GPUs: the same functions in software.

The build puts this file into the package that CuPy becomes on the software device.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

available = True
_VALUES, _INDICES, _KEYS = range(3)  # as in sorting.cpp


def get_build_version() -> int:
    """No version of Thrust."""
    return 0


def sort(dtype: Any, data_start: int, keys_start: int, shape: Sequence[int]) -> None:
    """Sort along the last axis, in place."""
    _sort(dtype, _VALUES, 0, data_start, math.prod(shape[:-1]), shape[-1])


def argsort(dtype: Any, idx_start: int, data_start: int, keys_start: int, shape: Sequence[int]) -> None:
    """The stable order along the last axis."""
    _sort(dtype, _INDICES, idx_start, data_start, math.prod(shape[:-1]), shape[-1])


def lexsort(dtype: Any, idx_start: int, keys_start: int, k: int, n: int) -> None:
    """The order of n columns by k keys, of which the last counts most."""
    _sort(dtype, _KEYS, idx_start, keys_start, k, n)


def _sort(dtype: Any, how: int, order: int, data: int, rows: int, length: int) -> None:
    import cupy

    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise NotImplementedError(f"Sorting arrays with dtype '{dtype}' is not supported")
    pointers = [ctypes.c_void_p(p) for p in (order, data, cupy.cuda.get_current_stream().ptr)]
    status = ctypes.CDLL("libcuda.so.1").soft_sort(
        ctypes.c_char(dtype.kind.encode()), dtype.itemsize, how, *pointers[:2], ctypes.c_uint64(rows),
        ctypes.c_uint64(length), pointers[2])
    cupy.cuda.runtime.check_status(status)
