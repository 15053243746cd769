"""Reductions, whose axes were an attribute: of ReduceSum before opset 13, of the others before 18."""

from __future__ import annotations

import math
from collections.abc import Callable

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.host import host, integers, number

Axes = tuple[int, ...]
Reduce = Callable[[Tensor, Axes, bool], Tensor]


def _along(reduce: Reduce, x: Tensor, axes: Ints | None, keepdims: int, keep_all: bool = False) -> Tensor:
    if not axes and keep_all:
        return reduce(x, (), bool(keepdims))
    every = axes if axes else range(x.ndim)
    for axis in every:
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"there is no axis {axis} in the shape {x.shape}")
    return reduce(x, tuple(sorted({axis % x.ndim for axis in every})), bool(keepdims))


def _declare(name: str, reduce: Reduce, since: int = 18) -> None:
    @operator(name, until=since - 1, foldable=True)
    def by_attribute(x: Tensor, *, axes: Ints | None = None, keepdims: int = 1) -> Tensor:
        return _along(reduce, x, axes, keepdims)

    @operator(name, since=since, settings="axes", foldable=True)
    def by_input(x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1,
                 noop_with_empty_axes: int = 0) -> Tensor:
        return _along(reduce, x, integers(axes), keepdims, bool(noop_with_empty_axes))


def _kept(reduce: Reduce) -> Reduce:
    """In the dtype of the input: sums of whole numbers have more bits elsewhere."""
    def in_dtype(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
        return reduce(x, axes, keepdims).to(dtype=x.dtype) if axes else reduce(
            x.unsqueeze(-1), (-1,), False).to(dtype=x.dtype)
    return in_dtype


def _product(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
    for axis in reversed(axes):
        x = T.prod(x, axis, keepdim=keepdims)
    return x


def _extreme(function: Callable, largest: bool) -> Reduce:
    def reduce(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
        if any(x.shape[axis] == 0 for axis in axes):  # nothing is larger than nothing
            worst = math.inf if not largest else -math.inf
            if not x.is_floating_point():
                info = T.zeros(1, dtype=x.dtype).numpy().dtype
                worst = _limit(info.name, lowest=largest)
            shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)
                     if keepdims or axis not in axes]
            return T.full(tuple(shape), worst, dtype=x.dtype, device=x.device)
        if x.dtype == "bool":
            return function(x.to(dtype="uint8"), axes, keepdim=keepdims).to(dtype="bool")
        return function(x, axes, keepdim=keepdims)
    return reduce


def _limit(dtype: str, lowest: bool) -> int:
    if dtype == "bool":
        return int(not lowest)
    bits = int("".join(c for c in dtype if c.isdigit()))
    if dtype.startswith("u"):
        return 0 if lowest else 2**bits - 1
    return -(2 ** (bits - 1)) if lowest else 2 ** (bits - 1) - 1


def _log_sum_exp(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
    exact = x if x.is_floating_point() else x.to(dtype="float64")
    if not axes or any(x.shape[axis] == 0 for axis in axes):
        return T.log(T.sum(T.exp(exact), axes, keepdim=keepdims))
    return T.logsumexp(exact, axes, keepdim=keepdims)


def _mean(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
    if x.is_floating_point():
        return T.mean(x, axes, keepdim=keepdims)
    count = math.prod(x.shape[axis] for axis in axes)
    return T.div(T.sum(x, axes, keepdim=keepdims), count, rounding_mode="trunc")


def _root(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
    exact = x if x.is_floating_point() else x.to(dtype="float64")
    return T.sqrt(T.sum(exact * exact, axes, keepdim=keepdims))


def _log_sum(x: Tensor, axes: Axes, keepdims: bool) -> Tensor:
    return T.log(T.sum(x if x.is_floating_point() else x.to(dtype="float64"), axes, keepdim=keepdims))


_declare("ReduceSum", _kept(lambda x, axes, keepdims: T.sum(x, axes, keepdim=keepdims)), since=13)
_declare("ReduceMean", _kept(_mean))
_declare("ReduceProd", _kept(_product))
_declare("ReduceMax", _kept(_extreme(T.amax, largest=True)))
_declare("ReduceMin", _kept(_extreme(T.amin, largest=False)))
_declare("ReduceL1", _kept(lambda x, axes, keepdims: T.sum(T.abs(x), axes, keepdim=keepdims)))
_declare("ReduceL2", _kept(_root))
_declare("ReduceLogSum", _kept(_log_sum))
_declare("ReduceLogSumExp", _kept(_log_sum_exp))
_declare("ReduceSumSquare", _kept(lambda x, axes, keepdims: T.sum(x * x, axes, keepdim=keepdims)))


@operator("CumSum", settings="axis", foldable=True)
def cumsum(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _accumulated(T.cumsum, 0, x, int(number(axis)), exclusive, reverse)


@operator("CumProd", settings="axis", foldable=True)
def cumprod(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _accumulated(T.cumprod, 1, x, int(number(axis)), exclusive, reverse)


def _accumulated(function: Callable, first: int, x: Tensor, axis: int, exclusive: int,
                 reverse: int) -> Tensor:
    """`exclusive` leaves each element itself out of its sum, `reverse` begins at the end."""
    x = T.flip(x, (axis,)) if reverse else x
    if exclusive and x.shape[axis]:
        start = T.full_like(T.narrow(x, axis, 0, 1), first)
        x = T.cat([start, T.narrow(x, axis, 0, x.shape[axis] - 1)], axis)
    y = function(x, axis).to(dtype=x.dtype)
    return T.flip(y, (axis,)) if reverse else y


@operator("Size", foldable=True)
def size(x: Tensor) -> Tensor:
    return host(math.prod(x.shape), "int64")
