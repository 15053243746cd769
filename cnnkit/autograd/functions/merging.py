"""What becomes of a row of elements when others come to their positions: replaced, summed, multiplied, ..."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.raw import as_dtype, positions_like, without_tape
from cnnkit.backends import namespace_of
from cnnkit.ops import elementwise, gathering, ordering, segments, shaping
from cnnkit.ops.dtypes import is_floating

__all__: list[str] = []  # for this package alone

Tensor = Any


def merged(reduce: str, x: Tensor, index: Tensor, src: Tensor, include_self: bool = True) -> Tensor:
    """`x` (N,) with the elements of `src` (n,) at the positions `index` (n,), which are from 0 to N - 1.

    Parameters
    ----------
    reduce : {"last", "sum", "prod", "mean", "amax", "amin"}
        What is made of the elements for one position; "last" replaces.
    include_self : bool
        Whether the element of `x` is one of them, where there are others.

    >>> import cnnkit
    >>> x, index, src = cnnkit.tensor([1, 2]), cnnkit.tensor([0, 0]), cnnkit.tensor([3, 4])
    >>> merged("last", x, index, src), merged("sum", x, index, src), merged("sum", x, index, src, False)
    (tensor([4, 2]), tensor([8, 2]), tensor([7, 2]))
    """
    size = x.shape[0]
    if not index.shape[0] or not size:
        return x.clone()
    if reduce == "sum" and include_self:
        return x + _added(src, index, size)
    if reduce == "last":
        which, named = without_tape("scatter", segments.last, index, size=size)
        return apply(elementwise.where, named, _taken(src, which), x)
    kept = positions_like(x, size)
    if not include_self:
        _, named = without_tape("scatter", segments.last, index, size=size)
        kept = kept[named == False]  # noqa: E712 - an array of bools
    # every position now has an element, whose own it is or another's
    index = apply(shaping.concat, kept, index, axis=0)
    src = apply(shaping.concat, _taken(x, kept), src, axis=0)
    if reduce == "prod":
        return _products(src, index, size)
    if reduce in ("amax", "amin"):
        return _extreme(src, index, size, reduce == "amax")
    total = _added(src, index, size)
    if reduce == "sum":
        return total
    count = as_dtype(without_tape("scatter", ordering.counts, index, size=size), x.dtype)
    return (total / count if is_floating(x.dtype) else
            without_tape("scatter", lambda a, b: namespace_of(a).floor_divide(a, b), total, count))


def _taken(x: Tensor, index: Tensor) -> Tensor:
    return apply(gathering.take, x, index, axis=0)


def _added(src: Tensor, index: Tensor, size: int) -> Tensor:
    return apply(gathering.scatter_add, src, index, axis=0, size=size)


def _products(src: Tensor, index: Tensor, size: int) -> Tensor:
    """The products of the elements that share a position.

    Sorted by position, the elements of one product are neighbours; after the step of length 1, 2, 4, ... each
    holds the product of itself and of so many before it. No division: a zero spoils no gradient.
    """
    order = without_tape("scatter", lambda i: namespace_of(i).argsort(i, stable=True), index)
    index, y = _taken(index, order), _taken(src, order)
    step, n = 1, index.shape[0]
    while step < n and _any(same := index[step:] == index[:n - step]):
        factors = apply(elementwise.where, same, y[:n - step], 1)
        y, step = apply(shaping.concat, y[:step], y[step:] * factors, axis=0), 2 * step
    which, _ = without_tape("scatter", segments.last, index, size=size)
    return _taken(y, which)


def _any(condition: Tensor) -> bool:
    array = condition.array
    return bool(namespace_of(array).any(array))


def _extreme(src: Tensor, index: Tensor, size: int, largest: bool) -> Tensor:
    """The largest or smallest of the elements that share a position; equal ones share the gradient."""
    best, is_best, exact = without_tape("scatter", segments.extreme, src, index, size=size, largest=largest)
    if not src.requires_grad:
        return best
    count = _added(as_dtype(is_best, src.dtype), index, size)
    shared = _added(apply(elementwise.where, is_best, src, 0), index, size) / count
    # the gradient of the one with the value of the other, because three thirds may be rounded
    return apply(elementwise.where, exact, best + (shared - shared.detach()), shared)
