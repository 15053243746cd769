"""The larger and the smaller of two, elements within limits, and elements by a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.comparison import isnan
from cnnkit.autograd.functions.operands import as_value, copied, pair, wrapped
from cnnkit.autograd.functions.selecting import nonzero
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise, pairs

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "maximum", "minimum", "nan_to_num",
           "where"]


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; NaN if either is. Equal ones share the gradient.

    >>> import cnnkit
    >>> cnnkit.maximum(cnnkit.tensor([1.0, 5.0]), cnnkit.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return apply(pairs.maximum, *pair(input, other, numbers=False))


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; NaN if either is. Equal ones share the gradient.

    >>> import cnnkit
    >>> cnnkit.minimum(cnnkit.tensor([1.0, 5.0]), cnnkit.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return apply(pairs.minimum, *pair(input, other, numbers=False))


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; of a number and NaN, the number.

    >>> import cnnkit
    >>> cnnkit.fmax(cnnkit.tensor([1.0, float("nan")]), cnnkit.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    x, y = pair(input, other, numbers=False)
    return apply(elementwise.where, (x >= y) | isnan(y), x, y)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; of a number and NaN, the number.

    >>> import cnnkit
    >>> cnnkit.fmin(cnnkit.tensor([1.0, float("nan")]), cnnkit.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    x, y = pair(input, other, numbers=False)
    return apply(elementwise.where, (x <= y) | isnan(y), x, y)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Elements limited to [`min`, `max`], which are numbers or Tensors; `max` counts where they cross.

    >>> import cnnkit
    >>> cnnkit.clamp(cnnkit.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    low, high = wrapped(min), wrapped(max)
    if low is None and high is None:
        raise RuntimeError("clamp needs min, max, or both")
    if isinstance(low, Value) or isinstance(high, Value):
        return _clamp_by_tensors(input, low, high)
    dtype = backends.result_type(input, *(limit for limit in (low, high) if limit is not None))
    input = input.to(dtype=dtype)
    if low is not None and high is not None and low > high:
        return apply(elementwise.mul, input, 0) + high if dtype.is_floating_point else input * 0 + high
    return apply(elementwise.clip, input, min=low, max=high)


def _clamp_by_tensors(input: Any, low: Any, high: Any) -> Tensor:
    inside = copied(input)
    if low is not None:
        x, y = pair(input, low)
        inside = apply(elementwise.where, (x < y) | isnan(y), y, x)
    if high is not None:
        x, y = pair(inside, high)
        inside = apply(elementwise.where, (x > y) | isnan(y), y, x)
    return inside


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Elements that are at least `min`.

    >>> import cnnkit
    >>> cnnkit.clamp_min(cnnkit.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Elements that are at most `max`.

    >>> import cnnkit
    >>> cnnkit.clamp_max(cnnkit.tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """
    return clamp(input, max=max)


def nan_to_num(input: Tensor, nan: Number | None = None, posinf: Number | None = None,
               neginf: Number | None = None) -> Tensor:
    """Other numbers for NaN (0) and for infinities (the dtype's largest and smallest).

    >>> import cnnkit
    >>> cnnkit.nan_to_num(cnnkit.tensor([float("nan"), float("inf")]), posinf=9.0)
    tensor([0., 9.])
    """
    if not input.dtype.is_floating_point:
        return copied(input)
    limits = backends.finfo(input.dtype)
    x = apply(elementwise.where, isnan(input), 0.0 if nan is None else float(nan), input)
    x = apply(elementwise.where, x == float("inf"), limits.max if posinf is None else float(posinf), x)
    return apply(elementwise.where, x == float("-inf"), limits.min if neginf is None else float(neginf), x)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Elements of `input` where the condition holds, elsewhere of `other`; with broadcasting.

    Either may be a number. With the condition alone, the positions where it holds: one Tensor for each axis.

    >>> import cnnkit
    >>> x = cnnkit.tensor([-1.0, 2.0])
    >>> cnnkit.where(x > 0, x, 0.0), cnnkit.where(x > 0)
    (tensor([0., 2.]), (tensor([1]),))
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where() takes a condition alone, or a condition and two sources")
    if condition.dtype != "bool":
        raise RuntimeError(f"where needs a condition of truth values; got {condition.dtype}")
    x, y = wrapped(input), wrapped(other)
    dtype = backends.result_type(x, y)
    return apply(elementwise.where, condition, as_value(x, condition, dtype), as_value(y, condition, dtype))


def _where(input: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This Tensor's elements where the condition holds, elsewhere those of `other`."""
    return where(condition, input, other)


clip = clamp


class LimitMethods(Value):
    """Limits, as a Tensor's methods."""

    __slots__ = ()

    clip = clamp
    clamp = clamp
    clamp_max = clamp_max
    clamp_min = clamp_min
    fmax = fmax
    fmin = fmin
    maximum = maximum
    minimum = minimum
    nan_to_num = nan_to_num
    where = _where
