"""Look-ups by position on a CUDA device: rows gathered from a table, and added into one without atomics."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cnnkit.backends import decline, dtype_name, namespace_of
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Struct, contiguous
from cnnkit_cupy.types import TYPES, other_dtype

Array = Any
THREADS, WARP = 256, 32

ROWS, INDEX = Struct("Rows"), In("int64")
for _dtype, _t in TYPES.items():
    _in, _out = In(_dtype), Out(_dtype)
    declare(Kernel("gathering", f"take<{_t}>", (_in, INDEX, _out, ROWS)), ops=("take", "scatter_add"))
    declare(*(Kernel("gathering", f"{_name}<{_t}>", (_in, INDEX, INDEX, _out, ROWS))
              for _name in ("scatter_add", "scatter_add_many")), ops=("take", "scatter_add"))


def take(x: Array, index: Array, *, needs: Sequence[bool], axis: int) -> Any:
    """See `cnnkit.ops.gathering.take`."""
    if (reason := _declined(x, index)):
        return decline(reason)
    axis, size = axis % x.ndim, x.shape[axis]
    y = _take(x, index, axis)
    return y, (lambda dy: (_scatter_add(dy, index, axis, size), None)) if needs[0] else None


def scatter_add(dy: Array, index: Array, *, needs: Sequence[bool], axis: int, size: int) -> Any:
    """See `cnnkit.ops.gathering.scatter_add`."""
    if (reason := _declined(dy, index)):
        return decline(reason)
    axis %= dy.ndim
    y = _scatter_add(dy, index, axis, size)
    return y, (lambda d: (_take(d, index, axis), None)) if needs[0] else None


def _declined(x: Array, index: Array) -> str:
    """Why a call is not served; empty where it is."""
    if dtype_name(x.dtype) not in TYPES:
        return other_dtype(x)
    if not contiguous(x) or not contiguous(index) or dtype_name(index.dtype) != "int64":
        return f"gaps in memory, or {dtype_name(index.dtype)} positions; it serves int64"
    return ""


def _take(x: Array, index: Array, axis: int) -> Array:
    y, t, rows = _result(x, axis, len(index)), TYPES[dtype_name(x.dtype)], _rows(x, axis, len(index))
    launch(cuda_of(x), f"take<{t}>", (-(-y.size // THREADS), 1, 1), _dense(x), index, y, rows)
    return y


def _scatter_add(dy: Array, index: Array, axis: int, size: int) -> Array:
    xp, dx, t = namespace_of(dy), _result(dy, axis, size), TYPES[dtype_name(dy.dtype)]
    rows = {**_rows(dy, axis, len(index)), "size": size}
    order = xp.astype(xp.argsort(index, stable=True), index.dtype, copy=False)
    many = rows["row"] < WARP and len(index) > WARP * size  # on average, more than one row for each lane
    name, sums = ("scatter_add_many", THREADS // WARP) if many else ("scatter_add", THREADS)
    launch(cuda_of(dy), f"{name}<{t}>", (-(-dx.size // sums), 1, 1), _dense(dy), xp.take(index, order), order,
           dx, rows)
    return dx


def _result(x: Array, axis: int, count: int) -> Array:
    """A new array with so many elements along the axis."""
    return cuda_of(x).empty((*x.shape[:axis], count, *x.shape[axis + 1:]), x.dtype, x)


def _rows(x: Array, axis: int, count: int) -> dict[str, int]:
    return {"before": prod(x.shape[:axis]), "size": x.shape[axis], "count": count,
            "row": prod(x.shape[axis + 1:])}


def _dense(x: Array) -> Array:
    """The array's numbers in C order; a gradient may have any strides."""
    if contiguous(x):
        return x
    xp = namespace_of(x)
    flat = xp.reshape(x, (-1,))
    return flat if contiguous(flat) else xp.asarray(flat, copy=True)
