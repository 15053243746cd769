"""Look-ups by position: `take` gathers slices of an array, `scatter_add` adds slices into one.

Each is the other's backward. Their positions are checked by `positions` before either is called, because a
look at their values costs a device a synchronisation: once for a look-up and its gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import backend_of, dtype_name, namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import widen

__all__ = ["is_signed", "positions", "scatter_add", "take", "take_along_axis"]

Array = Any


@functools.lru_cache(typed=True)
def is_signed(dtype: Any) -> bool:
    """Whether a dtype is a signed integer: what positions may be.

    >>> is_signed("int32"), is_signed("uint8"), is_signed("float32")
    (True, False, False)
    """
    return dtype_name(dtype).startswith("int")


def positions(index: Array, size: int, axis: int) -> Array:
    """Positions along an axis as int64 from 0 to ``size - 1``: negative ones count from the end.

    Parameters
    ----------
    index : array of signed integers
        Of any shape.
    size, axis : int
        The axis, and how many elements it has.

    Returns
    -------
    array of int64
        Int32 where the library has nothing wider (JAX, unless it is told to use 64 bits).

    Raises
    ------
    IndexError
        If a position is out of range; the message names it, the axis and the size.

    >>> import numpy
    >>> positions(numpy.array([0, -1], numpy.int8), 300, axis=0)
    array([  0, 299])
    """
    xp, wide = namespace_of(index), backend_of(index).dtype("int64")
    if index.dtype != wide:
        index = xp.astype(index, wide)
    if 0 in index.shape:
        return index
    if not backend_of(index).has_values(index):  # nothing can be checked before the values are there
        return xp.where(index < 0, index + size, index)
    lowest, highest = int(xp.min(index)), int(xp.max(index))
    if lowest < -size or highest >= size:
        raise IndexError(f"index {highest if highest >= size else lowest} is out of range for axis {axis} "
                         f"with size {size}")
    return xp.where(index < 0, index + size, index) if lowest < 0 else index


# -- whole slices along one axis -----------------------------------------------------------------------------

def _axis(name: str, axis: int, shape: Sequence[int]) -> int:
    ndim = len(shape)
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name} got axis {axis} for an array of shape {tuple(shape)}")
    return axis % ndim


def _need_signed(name: str, dtype: Any) -> None:
    if not is_signed(dtype):
        raise TypeError(f"{name} needs int64 positions (or a smaller signed integer); got "
                        f"{dtype_name(dtype)}. Convert them with .to(dtype='int64')")


def _infer_take(shapes: Sequence, dtypes: Sequence, *, axis: int) -> tuple:
    x, index = shapes
    axis = _axis("take", axis, x)
    _need_signed("take", dtypes[1])
    if len(index) != 1:
        raise ValueError(f"take needs positions of shape (n,); got {tuple(index)}")
    return (((*x[:axis], *index, *x[axis + 1:]), dtypes[0]),)


def _infer_scatter_add(shapes: Sequence, dtypes: Sequence, *, axis: int, size: int) -> tuple:
    dy, index = shapes
    axis = _axis("scatter_add", axis, dy)
    _need_signed("scatter_add", dtypes[1])
    if tuple(index) != (dy[axis],):
        raise ValueError(f"scatter_add got positions of shape {tuple(index)} for an array of shape "
                         f"{tuple(dy)}; along axis {axis} it needs {dy[axis]} of them")
    return (((*dy[:axis], size, *dy[axis + 1:]), dtypes[0]),)


@op(infer=_infer_take, sums=True, saves={0: (1,)})
def take(x: Array, index: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """The slices of x at n positions along an axis.

    Parameters
    ----------
    x : array, (..., size, ...)
        The table.
    index : array of int64, (n,)
        From 0 to ``size - 1``, as `positions` gives them.
    axis : int
        Where x has `size` elements, and the result n.
    """
    axis, size = axis % x.ndim, x.shape[axis]
    y = namespace_of(x).take(x, index, axis=axis)
    return y, ((lambda dy: (scatter_add(dy, index, axis=axis, size=size)[0][0], None)) if needs[0] else None)


@op(infer=_infer_scatter_add, sums=True, saves={0: (1,)})
def scatter_add(dy: Array, index: Array, *, needs: Sequence[bool], axis: int, size: int) -> tuple:
    """The sums of the slices that share a position, 0 where there is none: the gradient of `take`.

    Numbers of 16 bits are summed in float32. The order of a sum follows from the positions alone.

    Parameters
    ----------
    dy : array, (..., n, ...)
        The slices.
    index : array of int64, (n,)
        From 0 to ``size - 1``, as `positions` gives them.
    axis, size : int
        Where dy has n elements, and the result `size`.
    """
    axis, shape = axis % dy.ndim, tuple(dy.shape)
    xp, result = namespace_of(dy), (*shape[:axis], size, *shape[axis + 1:])
    if 0 in shape or 0 in result:
        y = xp.zeros(result, dtype=dy.dtype, device=device_of(dy))
    else:
        rows = xp.reshape(dy, (math.prod(shape[:axis]), shape[axis], -1))
        y = xp.reshape(_sums(rows, index, size), result)
    return y, ((lambda d: (take(d, index, axis=axis)[0][0], None)) if needs[0] else None)


def _sums(rows: Array, index: Array, size: int) -> Array:
    """The sums of rows (B, n, D) that share a position: (B, size, D).

    Sorted by position, the rows of one sum are neighbours. After the step of length 1, 2, 4, ... each holds
    the sum of itself and of so many before it; it takes as many steps as the longest sum needs.
    """
    xp = namespace_of(rows)
    order = xp.argsort(index, stable=True)
    index, sums = xp.take(index, order), widen(xp.take(rows, order, axis=1))
    step, n = 1, index.shape[0]
    while step < n and bool(xp.any(same := index[step:] == index[:n - step])):
        before, after = sums[:, :n - step, :], sums[:, step:, :]
        added = xp.where(xp.reshape(same, (1, -1, 1)), before, xp.zeros_like(before))
        sums, step = xp.concat([sums[:, :step, :], after + added], axis=1), 2 * step
    every = xp.arange(size, dtype=index.dtype, device=device_of(index))
    ends = xp.searchsorted(index, every, side="right")
    is_hit = xp.reshape(ends > xp.searchsorted(index, every, side="left"), (1, -1, 1))
    found = xp.take(sums, xp.where(ends > 0, ends - 1, xp.zeros_like(ends)), axis=1)
    return xp.astype(xp.where(is_hit, found, xp.zeros_like(found)), rows.dtype, copy=False)


# -- single elements -----------------------------------------------------------------------------------------

def _infer_take_along_axis(shapes: Sequence, dtypes: Sequence, *, axis: int) -> tuple:
    x, index = shapes
    axis = _axis("take_along_axis", axis, x)
    _need_signed("take_along_axis", dtypes[1])
    if len(index) != len(x) or any(n != m and 1 not in (n, m)
                                   for i, (n, m) in enumerate(zip(x, index)) if i != axis):
        raise ValueError(f"take_along_axis got an array of shape {tuple(x)} and positions of shape "
                         f"{tuple(index)}; but for axis {axis} the shapes must broadcast")
    return ((tuple(m if i == axis or n == 1 else n for i, (n, m) in enumerate(zip(x, index))), dtypes[0]),)


@op(infer=_infer_take_along_axis, sums=True, torch="torch.take_along_dim", torch_names={"axis": "dim"},
    saves={0: (1,)})
def take_along_axis(x: Array, index: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """The element of x at each position along an axis, the shapes broadcast along the others.

    Parameters
    ----------
    x : array, (..., size, ...)
        The table.
    index : array of signed integers, (..., n, ...)
        From ``-size`` to ``size - 1``.
    axis : int
        The axis of the positions.
    """
    xp, axis, shape = namespace_of(x), axis % x.ndim, tuple(x.shape)
    index = positions(index, shape[axis], axis)
    flat: Any = 0
    for i, n in enumerate(shape):
        along = index
        if i != axis:
            along = xp.arange(n, dtype=index.dtype, device=device_of(index))
            along = xp.reshape(along, (-1, *(1,) * (x.ndim - i - 1)))
        flat = flat * n + along
    (y,), back = take(xp.reshape(x, (-1,)), xp.reshape(flat, (-1,)), needs=needs, axis=0)

    def backward(dy: Array) -> tuple:
        return xp.reshape(back(xp.reshape(dy, (-1,)))[0], shape), None  # type: ignore[misc]
    return xp.reshape(y, tuple(flat.shape)), backward if needs[0] else None
