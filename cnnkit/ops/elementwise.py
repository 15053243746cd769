"""Elementwise arithmetic, comparisons and selection."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import op
from cnnkit.ops.precision import is_floating

Array = Any


def _infer_binary(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence) -> tuple:
        if shapes[0] == shapes[1]:
            return ((shapes[0], dtypes[0]),)
        kinds = [d for d in dtypes if d is not None]
        return ((broadcast_shape(name, shapes), kinds[0] if len(kinds) == 1 or kinds[0] == kinds[1] else None),)
    return infer


def _promote(x: Array, y: Array) -> tuple:
    """Integers beside floating-point numbers in the latter's dtype (float32 beside a Python float), as in PyTorch.

    The standard leaves mixed kinds open, and NumPy would widen float32 to float64.
    """
    a, b = getattr(x, "dtype", None), getattr(y, "dtype", None)
    if a is None or b is None:
        array, number = (y, x) if a is None else (x, y)
        if isinstance(number, float) and not is_floating(array.dtype):
            xp = namespace_of(array)
            array = xp.astype(array, xp.float32)
            return (number, array) if a is None else (array, number)
    elif a is not b and is_floating(a) != is_floating(b):
        xp = namespace_of(x)
        return (xp.astype(x, b), y) if is_floating(b) else (x, xp.astype(y, a))
    return x, y


def _backward_pair(x: Array, y: Array, needs: Sequence[bool], dx: Callable, dy: Callable) -> Callable | None:
    """The backward of a binary op from its two partial products, each only where it is needed."""
    if not any(needs):
        return None

    def backward(d: Array) -> tuple:
        return (unbroadcast(dx(d), x) if needs[0] else None, unbroadcast(dy(d), y) if needs[1] else None)
    return backward


@op(infer=_infer_binary("add"), commutative=True)
def add(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x + y, with broadcasting; one of the two may be a Python number."""
    x, y = _promote(x, y)
    return x + y, _backward_pair(x, y, needs, lambda d: d, lambda d: d)


@op(infer=_infer_binary("sub"))
def sub(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x - y, with broadcasting; one of the two may be a Python number."""
    x, y = _promote(x, y)
    return x - y, _backward_pair(x, y, needs, lambda d: d, lambda d: -d)


@op(infer=_infer_binary("mul"), commutative=True)
def mul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x * y, with broadcasting; one of the two may be a Python number."""
    x, y = _promote(x, y)
    return x * y, _backward_pair(x, y, needs, lambda d: d * y, lambda d: d * x)


@op(infer=_infer_binary("div"))
def div(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x / y, with broadcasting; one of the two may be a Python number."""
    x, y = _promote(x, y)
    array = x if hasattr(x, "dtype") else y
    if not is_floating(array.dtype):
        xp = namespace_of(array)
        x, y = (xp.astype(v, xp.float32) if hasattr(v, "dtype") else v for v in (x, y))
    return x / y, _backward_pair(x, y, needs, lambda d: d / y, lambda d: -d * x / (y * y))


@op(infer=_infer_binary("pow"))
def pow(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x ** y, with broadcasting; one of the two may be a Python number."""
    x, y = _promote(x, y)
    z = x ** y

    def by_base(d: Array) -> Array:
        if not hasattr(y, "dtype"):
            return d * y * x ** (y - 1) if y else d * 0
        xp = namespace_of(y)
        flat = y == 0  # x ** 0 is 1, also at 0, where 0 ** -1 must not spoil it
        return xp.where(flat, xp.zeros_like(z), d * y * x ** xp.where(flat, xp.ones_like(y), y - 1))

    def by_exponent(d: Array) -> Array:
        xp = namespace_of(z)
        if not hasattr(x, "dtype"):
            return d * z * (math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
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
