"""Elementwise arithmetic, comparisons and selection."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import backend_of, dtype_name, dtype_of, namespace_of, number_dtype, result_type
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating
from cnnkit.ops.unary import elementwise, same_attributes

Array = Any


def _infer_binary(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence) -> tuple:
        if shapes[0] == shapes[1]:
            return ((shapes[0], dtypes[0]),)
        kinds = [d for d in dtypes if d is not None]
        return ((broadcast_shape(name, shapes),
                 kinds[0] if len(kinds) == 1 or kinds[0] == kinds[1] else None),)
    return infer


def promote(x: Array, y: Array) -> tuple[Any, ...]:
    """Both in the dtype that PyTorch's `result_type` says; a Python number stays one.

    The standard leaves the result of mixed kinds open, and NumPy would widen float32 beside an integer or a
    float64 without axes.
    """
    a, b = getattr(x, "dtype", None), getattr(y, "dtype", None)
    if a is None or b is None:
        array, number = (y, x) if a is None else (x, y)
        if type(number) is float:
            if is_floating(array.dtype):
                return x, y
        elif type(number) is bool or dtype_name(array.dtype) != "bool":
            return x, y
        array = as_dtype(array, result_type(array, number))
        return (number, array) if a is None else (array, number)
    if a is b or a == b:
        return x, y
    common = result_type(x, y)
    return as_dtype(x, common), as_dtype(y, common)


def as_dtype(x: Array, dtype: Any) -> Array:
    """The array in a dtype that is given by name."""
    if dtype_of(x.dtype) == dtype:
        return x
    backend = backend_of(x)
    return backend.namespace.astype(x, backend.dtype(dtype))


def _backward_pair(x: Array, y: Array, needs: Sequence[bool], dx: Callable, dy: Callable) -> Callable | None:
    """The backward of a binary op from its two partial products, each only where it is needed."""
    if not any(needs):
        return None

    def backward(d: Array) -> tuple:
        return (unbroadcast(dx(d), x) if needs[0] else None, unbroadcast(dy(d), y) if needs[1] else None)
    return backward


@op(infer=_infer_binary("add"), permuted=same_attributes, torch="torch.add", commutative=True, saves={})
def add(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x + y, with broadcasting; one of the two may be a Python number."""
    given = x, y
    x, y = promote(x, y)
    return x + y, _backward_pair(*given, needs, lambda d: d, lambda d: d)


@op(infer=_infer_binary("sub"), permuted=same_attributes, torch="torch.sub", saves={})
def sub(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x - y, with broadcasting; one of the two may be a Python number."""
    given = x, y
    x, y = promote(x, y)
    return x - y, _backward_pair(*given, needs, lambda d: d, lambda d: -d)


@op(infer=_infer_binary("mul"), permuted=same_attributes, torch="torch.mul", commutative=True,
    saves={0: (1,), 1: (0,)})
def mul(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x * y, with broadcasting; one of the two may be a Python number."""
    given = x, y
    x, y = promote(x, y)
    return x * y, _backward_pair(*given, needs, lambda d: d * y, lambda d: d * x)


@op(infer=_infer_binary("div"), permuted=same_attributes, torch="torch.div", saves={0: (1,), 1: (0, 1)})
def div(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x / y, with broadcasting; one of the two may be a Python number."""
    given = x, y
    x, y = promote(x, y)
    array = x if hasattr(x, "dtype") else y
    if not is_floating(array.dtype):
        x, y = (as_dtype(v, number_dtype(0.5)) if hasattr(v, "dtype") else v for v in (x, y))
    return x / y, _backward_pair(*given, needs, lambda d: d / y, lambda d: -d * x / (y * y))


@op(infer=_infer_binary("pow"), permuted=same_attributes, torch="torch.pow",
    saves={0: (0, 1), 1: (0, 1, "output")})
def pow(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """x ** y, with broadcasting; one of the two may be a Python number."""
    given = x, y
    x, y = promote(x, y)
    z = x ** y

    def by_base(d: Array) -> Array:
        if not hasattr(y, "dtype"):
            return d * y * x ** (y - 1) if y else d * 0
        xp = namespace_of(y)
        constant = y == 0  # x ** 0 is 1, also at 0, where 0 ** -1 must not spoil it
        return xp.where(constant, xp.zeros_like(z), d * y * x ** xp.where(constant, xp.ones_like(y), y - 1))

    def by_exponent(d: Array) -> Array:
        xp = namespace_of(z)
        if not hasattr(x, "dtype"):
            return d * z * (math.log(x) if x > 0 else 0.0 if x == 0 else math.nan)
        positive = x > 0  # 0 ** y is flat in y, and the logarithm of 0 must not spoil it
        return d * z * xp.where(positive, xp.log(xp.where(positive, x, xp.ones_like(x))), xp.zeros_like(x))
    return z, _backward_pair(*given, needs, by_base, by_exponent)


@elementwise(from_dy=lambda xp, dy: -dy, integers=True, torch="torch.neg")
def neg(xp: Any, x: Array) -> Array:
    """-x."""
    return -x


@elementwise(from_y=lambda xp, dy, y: dy * y, integers=True, torch="torch.exp")
def exp(xp: Any, x: Array) -> Array:
    """e ** x."""
    return xp.exp(x)


@elementwise(from_x=lambda xp, dy, x: dy / x, integers=True, torch="torch.log")
def log(xp: Any, x: Array) -> Array:
    """Natural logarithm."""
    return xp.log(x)


@elementwise(from_y=lambda xp, dy, y: dy / (2 * y), integers=True, torch="torch.sqrt")
def sqrt(xp: Any, x: Array) -> Array:
    """Square root."""
    return xp.sqrt(x)


@elementwise(from_x=lambda xp, dy, x: dy * xp.sign(x), integers=True, kinks=(0.0,), torch="torch.abs")
def abs(xp: Any, x: Array) -> Array:
    """Absolute value; gradient 0 at 0."""
    return xp.abs(x)


def _where_inside(xp: Any, dy: Array, x: Array, min: float | None, max: float | None) -> Array:
    limits = [*([] if min is None else [x >= min]), *([] if max is None else [x <= max])]
    if not limits:
        return dy
    return xp.where(functools.reduce(operator.and_, limits), dy, xp.zeros_like(dy))


@elementwise(from_x=_where_inside, integers=True, torch="torch.clamp",
             kinks=lambda min, max: tuple(end for end in (min, max) if end is not None))
def clip(xp: Any, x: Array, min: float | None, max: float | None) -> Array:
    """x limited to [min, max]; the gradient passes where x is inside, the ends included, as in PyTorch."""
    return xp.clip(x, min, max)


@op(permuted=same_attributes, torch="torch.where", saves={1: (0,), 2: (0,)})
def where(condition: Array, x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
    """Elements of x where the condition holds, elsewhere of y; with broadcasting."""
    xp = namespace_of(condition)
    like = x if hasattr(x, "dtype") else y
    x, y = (v if hasattr(v, "dtype")
            else xp.asarray(v, dtype=like.dtype, device=getattr(like, "device", None)) for v in (x, y))
    if not any(needs):
        return xp.where(condition, x, y), None

    def backward(dy: Array) -> tuple:
        zero = xp.zeros_like(dy)
        return (None, unbroadcast(xp.where(condition, dy, zero), x) if needs[1] else None,
                unbroadcast(xp.where(condition, zero, dy), y) if needs[2] else None)
    return xp.where(condition, x, y), backward


# -- comparisons: plain outputs, no gradient -----------------------------------------------------------------

def _comparison(compare: Callable, name: str, words: str, torch: str) -> Any:
    def body(x: Array, y: Array, *, needs: Sequence[bool]) -> tuple:
        return compare(*promote(x, y)), None
    body.__name__, body.__doc__ = name, f"Whether x {words} y, element by element."
    return op(body, differentiable=0, permuted=same_attributes, torch=torch)


equal: Any = _comparison(lambda x, y: x == y, "equal", "equals", "torch.eq")
not_equal: Any = _comparison(lambda x, y: x != y, "not_equal", "differs from", "torch.ne")
less: Any = _comparison(lambda x, y: x < y, "less", "is less than", "torch.lt")
less_equal: Any = _comparison(lambda x, y: x <= y, "less_equal", "is at most", "torch.le")
greater: Any = _comparison(lambda x, y: x > y, "greater", "is greater than", "torch.gt")
greater_equal: Any = _comparison(lambda x, y: x >= y, "greater_equal", "is at least", "torch.ge")
