"""Orders of elements: sorting, searching what is sorted, runs of equal elements; all without gradients."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.backends import backend_of, dtype_name, namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.dtypes import is_floating

__all__ = ["contained", "counts", "order", "repeated", "running_extreme", "runs", "search"]

Array = Any


def order(x: Array, axis: int, descending: bool) -> Array:
    """The positions along an axis that sort it; equal elements stay in order, and NaN counts as the largest.

    >>> import numpy
    >>> order(numpy.array([2.0, numpy.nan, 1.0, 2.0]), axis=0, descending=True)
    array([1, 0, 3, 2])
    """
    xp = namespace_of(x)
    x = _numeric(x)
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    # the last of equal ones comes first in what is turned round, and the first after turning it back
    turned = xp.flip(xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True), axis=axis)
    return x.shape[axis] - 1 - turned


def running_extreme(x: Array, axis: int, largest: bool) -> Array:
    """The position of the largest or smallest element up to each one; of equal ones the last, of NaN too.

    In logarithmically many steps, each of which combines what is twice as far apart.

    >>> import numpy
    >>> running_extreme(numpy.array([2.0, 1.0, 2.0, numpy.nan, 9.0]), axis=0, largest=True)
    array([0, 0, 2, 3, 3])
    """
    xp, n = namespace_of(x), x.shape[axis]
    best, floating = _numeric(x), is_floating(x.dtype)
    along = tuple(n if i == axis else 1 for i in range(x.ndim))
    where = xp.arange(n, dtype=backend_of(x).dtype("int64"), device=device_of(x))
    where = xp.broadcast_to(xp.reshape(where, along), tuple(x.shape))
    before: tuple = (slice(None),) * axis
    apart = 1
    while apart < n:
        first, earlier, later = ((*before, part) for part in (
            slice(apart), slice(n - apart), slice(apart, n)))
        old, new = best[earlier], best[later]
        wins = (new >= old) if largest else (new <= old)
        if floating:
            wins = xp.isnan(new) | (wins & ~xp.isnan(old))
        best = xp.concat([best[first], xp.where(wins, new, old)], axis=axis)
        where = xp.concat([where[first], xp.where(wins, where[later], where[earlier])], axis=axis)
        apart *= 2
    return where


def _numeric(x: Array) -> Array:
    """Bools as numbers: the standard sorts numbers alone."""
    return namespace_of(x).astype(x, namespace_of(x).uint8) if dtype_name(x.dtype) == "bool" else x


def search(sequence: Array, values: Array, right: bool) -> Array:
    """Where values go into rows that are sorted, so that the rows stay so; NaN goes to the end.

    Parameters
    ----------
    sequence : array, (rows, n)
        Sorted along the last axis.
    values : array, (rows, m)
        What is searched in each row.
    right : bool
        Behind the elements that equal a value, instead of before them.

    >>> import numpy
    >>> search(numpy.array([[1, 3, 3]]), numpy.array([[3, 4]]), right=False)
    array([[1, 3]])
    """
    xp, integer, device = namespace_of(sequence), backend_of(sequence).dtype("int64"), device_of(sequence)
    rows, n = sequence.shape
    low = xp.zeros(tuple(values.shape), dtype=integer, device=device)
    high = xp.full(tuple(values.shape), n, dtype=integer, device=device)
    if not n or 0 in values.shape:
        return low
    flat = xp.reshape(sequence, (-1,))
    if rows == 1 and not (is_floating(flat.dtype) and bool(xp.isnan(flat[-1]))):  # where libraries agree
        found = xp.searchsorted(flat, xp.reshape(values, (-1,)), side="right" if right else "left")
        return xp.astype(xp.reshape(found, tuple(values.shape)), integer, copy=False)
    first = xp.reshape(xp.arange(rows, dtype=integer, device=device) * n, (rows, 1))
    for _ in range(n.bit_length()):  # each step halves what is left between low and high
        middle = (low + high) // 2
        inside = xp.where(middle < n, middle, xp.full_like(middle, n - 1))
        found = xp.reshape(xp.take(flat, xp.reshape(first + inside, (-1,))), tuple(values.shape))
        before = (found > values) if right else (found >= values)
        open_ = low < high
        low = xp.where(open_ & ~before, middle + 1, low)
        high = xp.where(open_ & before, middle, high)
    return low


def runs(rows: Array, sort: bool) -> tuple[Array, Array, Array]:
    """Runs of equal rows: where each begins, of which run every row is, and how long each is.

    Parameters
    ----------
    rows : array, (n, m)
    sort : bool
        Put equal rows beside each other first, in the order of their elements.

    Returns
    -------
    first : array of int64, (runs,)
        The row that each run begins with.
    run : array of int64, (n,)
    length : array of int64, (runs,)

    >>> import numpy
    >>> runs(numpy.array([[5], [3], [5]]), sort=True)
    (array([1, 0]), array([1, 0, 1]), array([1, 2]))
    """
    xp, integer, device = namespace_of(rows), backend_of(rows).dtype("int64"), device_of(rows)
    n, width = rows.shape
    places = xp.arange(n, dtype=integer, device=device)
    if not n:
        return places, places, places
    by_value = places
    if sort:
        for column in reversed(range(width)):
            elements = xp.take(_numeric(rows[:, column]), by_value)
            by_value = xp.take(by_value, xp.argsort(elements, stable=True))
        rows = xp.take(rows, by_value, axis=0)
    begins = xp.concat([xp.ones((1,), dtype=xp.bool, device=device),
                        xp.any(rows[1:, :] != rows[:-1, :], axis=1)])
    run = xp.cumulative_sum(xp.astype(begins, integer)) - 1
    starts = xp.nonzero(begins)[0]
    ends = xp.concat([starts[1:], xp.full((1,), n, dtype=starts.dtype, device=device)])
    if sort:
        run = xp.take(run, xp.argsort(by_value, stable=True))
    return xp.take(by_value, starts), run, ends - starts


def contained(x: Array, test: Array) -> Array:
    """Whether each element of x is one of `test` (n,).

    >>> import numpy
    >>> contained(numpy.array([[1, 2]]), numpy.array([2, 3]))
    array([[False,  True]])
    """
    xp = namespace_of(x)
    x, test = _numeric(x), _numeric(test)
    row, n = xp.reshape(x, (1, math.prod(x.shape))), test.shape[0]
    if not n:
        return xp.zeros(tuple(x.shape), dtype=xp.bool, device=device_of(x))
    test = xp.sort(test)
    places = search(xp.reshape(test, (1, n)), row, right=False)
    nearest = xp.take(test, xp.reshape(xp.where(places < n, places, xp.zeros_like(places)), (-1,)))
    return xp.reshape(nearest == xp.reshape(row, (-1,)), tuple(x.shape))


def counts(index: Array, size: int) -> Array:
    """How often each of the numbers from 0 to ``size - 1`` occurs.

    >>> import numpy
    >>> counts(numpy.array([0, 2, 2]), 4)
    array([1, 0, 2, 0])
    """
    xp, integer = namespace_of(index), backend_of(index).dtype("int64")
    ordered, every = xp.sort(index), xp.arange(size, dtype=index.dtype, device=device_of(index))
    ends, starts = (xp.searchsorted(ordered, every, side=side) for side in ("right", "left"))
    return xp.astype(ends - starts, integer, copy=False)


def repeated(counts: Array, total: int) -> Array:
    """The position of each of `total` elements among those that are repeated so many times.

    >>> import numpy
    >>> repeated(numpy.array([2, 0, 1]), 3)
    array([0, 0, 2])
    """
    xp, integer = namespace_of(counts), backend_of(counts).dtype("int64")
    ends = xp.cumulative_sum(xp.astype(counts, integer))
    return xp.searchsorted(ends, xp.arange(total, dtype=integer, device=device_of(counts)), side="right")
