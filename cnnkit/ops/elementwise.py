"""Elementwise arithmetic, comparisons and selection."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import op

Array = Any


def _infer_binary(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence) -> tuple:
        if shapes[0] == shapes[1]:
            return ((shapes[0], dtypes[0]),)
        kinds = [d for d in dtypes if d is not None]
        return ((broadcast_shape(name, shapes), kinds[0] if len(kinds) == 1 or kinds[0] == kinds[1] else None),)
    return infer


def _backward_pair(x: Array, y: Array, needs: Sequence[bool], dx: Callable, dy: Callable) -> Callable | None:
    """The backward of a binary op from its two partial products, each only where it is needed."""
    if not any(needs):
        return None

    def backward(d: Array) -> tuple:
        return (unbroadcast(dx(d), x) if needs[0] else None, unbroadcast(dy(d), y) if needs[1] else None)
    return backward


@op(infer=_infer_binary("add"))
def add(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x + y, with broadcasting; one of the two may be a Python number."""
    return x + y, _backward_pair(x, y, needs, lambda d: d, lambda d: d)


@op(infer=_infer_binary("sub"))
def sub(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x - y, with broadcasting; one of the two may be a Python number."""
    return x - y, _backward_pair(x, y, needs, lambda d: d, lambda d: -d)


@op(infer=_infer_binary("mul"))
def mul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x * y, with broadcasting; one of the two may be a Python number."""
    return x * y, _backward_pair(x, y, needs, lambda d: d * y, lambda d: d * x)


@op(infer=_infer_binary("div"))
def div(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x / y, with broadcasting; one of the two may be a Python number."""
    return x / y, _backward_pair(x, y, needs, lambda d: d / y, lambda d: -d * x / (y * y))


@op(infer=_infer_binary("pow"))
def pow(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x ** y, with broadcasting; one of the two may be a Python number."""
    z = x ** y

    def by_base(d: Array) -> Array:
        return d * y * x ** (y - 1)

    def by_exponent(d: Array) -> Array:
        xp = namespace_of(z)
        if not hasattr(x, "dtype"):
            return d * z * math.log(x)
        positive = x > 0  # 0 ** y is flat in y, and the logarithm of 0 must not spoil it
        return d * z * xp.where(positive, xp.log(xp.where(positive, x, xp.ones_like(x))), xp.zeros_like(x))
    return z, _backward_pair(x, y, needs, by_base, by_exponent)


def infer_same(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
    """Shape and dtype of the result of an elementwise op: its input's."""
    return ((shapes[0], dtypes[0]),)


@op(infer=infer_same)
def neg(x: Array, *, needs: Sequence[bool]) -> tuple:
    """-x."""
    return -x, (lambda dy: (-dy,)) if needs[0] else None


@op(infer=infer_same)
def exp(x: Array, *, needs: Sequence[bool]) -> tuple:
    """e ** x."""
    y = namespace_of(x).exp(x)
    return y, (lambda dy: (dy * y,)) if needs[0] else None


@op(infer=infer_same)
def log(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Natural logarithm."""
    return namespace_of(x).log(x), (lambda dy: (dy / x,)) if needs[0] else None


@op(infer=infer_same)
def sqrt(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Square root."""
    y = namespace_of(x).sqrt(x)
    return y, (lambda dy: (dy / (2 * y),)) if needs[0] else None


@op(infer=infer_same)
def abs(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Absolute value; gradient 0 at 0."""
    xp = namespace_of(x)
    return xp.abs(x), (lambda dy: (dy * xp.sign(x),)) if needs[0] else None


@op(infer=infer_same)
def clip(x: Array, *, needs: Sequence[bool], min: float | None, max: float | None) -> tuple:
    """x limited to [min, max]; the gradient passes where x is inside, the ends included, as in PyTorch."""
    xp = namespace_of(x)
    y = xp.clip(x, min, max)
    if not needs[0]:
        return y, None
    inside = xp.ones(tuple(x.shape), dtype=xp.bool, device=getattr(x, "device", None))
    if min is not None:
        inside = inside & (x >= min)
    if max is not None:
        inside = inside & (x <= max)
    return y, lambda dy: (xp.where(inside, dy, xp.zeros_like(dy)),)


@op
def where(condition: Array, x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """Elements of x where the condition holds, elsewhere of y; with broadcasting."""
    xp = namespace_of(condition)
    like = x if hasattr(x, "dtype") else y
    x, y = (v if hasattr(v, "dtype") else xp.asarray(v, dtype=like.dtype, device=getattr(like, "device", None)) for v in (x, y))
    if not any(needs):
        return xp.where(condition, x, y), None

    def backward(dy: Array) -> tuple:
        zero = xp.zeros_like(dy)
        return (None, unbroadcast(xp.where(condition, dy, zero), x) if needs[1] else None,
                unbroadcast(xp.where(condition, zero, dy), y) if needs[2] else None)
    return xp.where(condition, x, y), backward


# -- comparisons: plain outputs, no gradient ----------------------------------------------------------------------

def _comparison(compare: Callable, name: str, words: str) -> Any:
    def body(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
        return compare(x, y), None
    body.__name__, body.__doc__ = name, f"Whether x {words} y, element by element."
    return op(body, differentiable=0)


equal = _comparison(lambda x, y: x == y, "equal", "equals")
not_equal = _comparison(lambda x, y: x != y, "not_equal", "differs from")
less = _comparison(lambda x, y: x < y, "less", "is less than")
less_equal = _comparison(lambda x, y: x <= y, "less_equal", "is at most")
greater = _comparison(lambda x, y: x > y, "greater", "is greater than")
greater_equal = _comparison(lambda x, y: x >= y, "greater_equal", "is at least")
