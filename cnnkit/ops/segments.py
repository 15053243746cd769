"""Where many elements go to one position: which of them counts. Arrays of positions, without gradients."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import backend_of, namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.dtypes import is_floating
from cnnkit.ops.gathering import positions

__all__ = ["extreme", "flat_positions", "last"]

Array = Any


def flat_positions(index: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The positions of ``x[i, index[i, j]]`` (for axis 1 of 2) in x flattened; `index` may be shorter than x.

    Raises
    ------
    IndexError
        If a position is out of range.

    >>> import numpy
    >>> flat_positions(numpy.array([[2], [0]]), (2, 3), axis=1)
    array([[2],
           [3]])
    """
    xp = namespace_of(index)
    index, flat = positions(index, shape[axis], axis), None
    for i, n in enumerate(shape):
        along = index
        if i != axis:
            along = xp.arange(index.shape[i], dtype=index.dtype, device=device_of(index))
            along = xp.reshape(along, (-1 if index.shape[i] else 0, *(1,) * (index.ndim - i - 1)))
        flat = along if flat is None else flat * n + along
    return xp.broadcast_to(flat, tuple(index.shape))


def last(index: Array, size: int, order: Array | None = None) -> tuple[Array, Array]:
    """For each of `size` positions, which element of `index` names it last, and whether one does.

    Parameters
    ----------
    index : array of int64, (n,)
        From 0 to ``size - 1``.
    size : int
        How many positions there are.
    order : array of int64, (n,), optional
        The elements in the order in which they come; by default as they stand.

    Returns
    -------
    which : array of int64, (size,)
        Any element where none names the position.
    named : array of bool, (size,)

    >>> import numpy
    >>> last(numpy.array([2, 0, 2]), 3)
    (array([1, 0, 2]), array([ True, False,  True]))
    """
    xp = namespace_of(index)
    every = xp.arange(size, dtype=index.dtype, device=device_of(index))
    if not index.shape[0]:
        return xp.zeros_like(every), every < 0
    backend = backend_of(index)
    if backend.host:  # its assignment goes through the elements in order
        order = xp.arange(index.shape[0]) if order is None else order
        which = backend.put(xp.full_like(every, -1), xp.take(index, order), order)
        return xp.where(which < 0, 0, which), which >= 0
    by_position = xp.argsort(index if order is None else xp.take(index, order), stable=True)
    order = by_position if order is None else xp.take(order, by_position)
    ordered = xp.take(index, order)
    ends = xp.searchsorted(ordered, every, side="right")
    named = ends > xp.searchsorted(ordered, every, side="left")
    return xp.take(order, xp.where(named, ends - 1, xp.zeros_like(ends))), named


def extreme(values: Array, index: Array, size: int, largest: bool) -> tuple[Array, Array, Array]:
    """The largest or smallest of the values that share a position; NaN is both.

    Parameters
    ----------
    values, index : array, (n,)
        The values and their positions, of which each is named.
    size : int
        How many positions there are.

    Returns
    -------
    best : array, (size,)
    is_best : array of bool, (n,)
        Which values are the best of their position.
    finite : array of bool, (size,)

    >>> import numpy
    >>> extreme(numpy.array([1.0, 3.0, 3.0, 2.0]), numpy.array([0, 0, 0, 1]), 2, largest=True)
    (array([3., 2.]), array([False,  True,  True,  True]), array([ True,  True]))
    """
    xp, floating = namespace_of(values), is_floating(values.dtype)
    if largest:
        order = xp.argsort(values, stable=True)
    elif floating:
        order = xp.argsort(-values, stable=True)  # NaN is last here too
    else:
        order = xp.flip(xp.argsort(values, stable=True))
    best = xp.take(values, last(index, size, order)[0])
    chosen = xp.take(best, index)
    if not floating:
        return best, values == chosen, xp.ones(best.shape, dtype=xp.bool, device=device_of(best))
    return best, (values == chosen) | (xp.isnan(values) & xp.isnan(chosen)), xp.isfinite(best)
