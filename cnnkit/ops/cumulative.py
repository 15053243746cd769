"""Sums and products of each element and all before it along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import narrow, widen

Array = Any


def _infer(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: int) -> tuple:
        if not -len(shapes[0]) <= axis < len(shapes[0]):
            raise IndexError(f"{name} got axis {axis} for an array of shape {tuple(shapes[0])}")
        return ((shapes[0], dtypes[0]),)
    return infer


def _from_the_end(xp: Any, x: Array, axis: int) -> Array:
    """Sums of each element and all after it."""
    return xp.flip(xp.cumulative_sum(xp.flip(x, axis=axis), axis=axis), axis=axis)


@op(infer=_infer("cumsum"), sums=True, saves={}, torch="torch.cumsum", torch_names={"axis": "dim"})
def cumsum(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """Sums along `axis`, of float16 and bfloat16 in float32."""
    xp, dtype = namespace_of(x), x.dtype
    y = narrow(xp.cumulative_sum(widen(x), axis=axis), dtype)
    return y, (lambda dy: (narrow(_from_the_end(xp, widen(dy), axis), dtype),)) if needs[0] else None


@op(infer=_infer("cumprod"), sums=True, torch="torch.cumprod", torch_names={"axis": "dim"})
def cumprod(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """Products along `axis`, of float16 and bfloat16 in float32."""
    xp, dtype, x = namespace_of(x), x.dtype, widen(x)
    y = xp.cumulative_prod(x, axis=axis)

    def backward(dy: Array) -> tuple:
        # before the first 0: the later products' sum, divided by x. At it: the same without it. After it: 0
        zero = x == 0
        zeros = xp.cumulative_sum(xp.astype(zero, xp.int32), axis=axis)
        first, one, dy = zero & (zeros == 1), xp.ones_like(x), widen(dy)
        before = _from_the_end(xp, dy * y, axis) / xp.where(zero, one, x)
        at = _from_the_end(xp, dy * xp.cumulative_prod(xp.where(first, one, x), axis=axis), axis)
        dx = xp.where(zeros == 0, before, xp.where(first, at, xp.zeros_like(x)))
        return (narrow(dx, dtype),)
    return narrow(y, dtype), backward if needs[0] else None
