"""Arithmetic: sums, products and quotients of two Tensors, or a Tensor and a number, with broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import WIDEST, runs_in
from cnnkit.autograd.functions.operands import copied, floating, pair, wrapped
from cnnkit.autograd.functions.rounding import floor, trunc
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise, pairs

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["abs", "absolute", "add", "addcdiv", "addcmul", "copysign", "div", "divide", "float_power",
           "floor_divide", "fmod", "lerp", "mul", "multiply", "neg", "negative", "positive", "pow",
           "remainder", "rsub", "sub", "subtract", "true_divide"]


def add(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """`input` + `alpha` * `other`.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1, 2])
    >>> cnnkit.add(x, 0.5), cnnkit.add(x, cnnkit.tensor([3, 4]), alpha=2)
    (tensor([1.5, 2.5]), tensor([ 7, 10]))
    """
    if _truth(input, other):
        return apply(elementwise.where, input, input, other)
    return apply(elementwise.add, input, _scaled(input, other, alpha))


def sub(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """`input` - `alpha` * `other`.

    >>> import cnnkit
    >>> cnnkit.sub(cnnkit.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    return apply(elementwise.sub, input, _scaled(input, other, alpha))


def rsub(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """`other` - `alpha` * `input`.

    >>> import cnnkit
    >>> cnnkit.rsub(cnnkit.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    return apply(elementwise.sub, other, _scaled(other, input, alpha))


def _scaled(input: Any, other: Any, alpha: Number) -> Any:
    """`alpha` times `other`; a fraction of integers is refused, as in PyTorch."""
    if isinstance(alpha, float) and not any(isinstance(v, float) or (isinstance(v, Value) and
                                                                     v.dtype.is_floating_point)
                                            for v in (input, other)):
        raise RuntimeError(f"alpha must be a whole number where integers are added; got {alpha}")
    return other if alpha == 1 else other * alpha


def mul(input: Any, other: Any) -> Tensor:
    """`input` * `other`.

    >>> import cnnkit
    >>> cnnkit.mul(cnnkit.tensor([1.0, 2.0]), 10)
    tensor([10., 20.])
    """
    if _truth(input, other):
        return apply(elementwise.where, input, other, input)
    return apply(elementwise.mul, input, other)


def _truth(input: Any, other: Any) -> bool:
    """Whether both are Tensors of truth values, whose sum is "or", and whose product is "and"."""
    return isinstance(input, Value) and isinstance(other, Value) and input.dtype == "bool" == other.dtype


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """`input` / `other`; with ``rounding_mode="floor"`` rounded down, with ``"trunc"`` toward 0.

    Without rounding, integers give floating-point numbers. Rounded quotients have gradient 0.

    >>> import cnnkit
    >>> x = cnnkit.tensor([-3, 4])
    >>> cnnkit.div(x, 2), cnnkit.div(x, 2, rounding_mode="floor"), cnnkit.div(x, 2, rounding_mode="trunc")
    (tensor([-1.5,  2. ]), tensor([-2,  2]), tensor([-1,  2]))
    """
    if rounding_mode is None:
        return apply(elementwise.div, input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(f"div has rounding_mode None, 'trunc' or 'floor'; got {rounding_mode!r}")
    x, y = pair(input, other)
    if x.dtype.is_floating_point:
        return trunc(x / y)
    return apply(pairs.floor_divide, x - apply(pairs.fmod, x, y), y)


def floor_divide(input: Any, other: Any) -> Tensor:
    """`input` / `other`, rounded down.

    >>> import cnnkit
    >>> cnnkit.floor_divide(cnnkit.tensor([-3.0, 4.0]), 2), cnnkit.tensor([7]) // 2
    (tensor([-2.,  2.]), tensor([3]))
    """
    x, y = pair(input, other)
    if x._requires_grad or y._requires_grad:
        return floor(x / y)  # which has gradient 0
    return apply(pairs.floor_divide, x, y)


def remainder(input: Any, other: Any) -> Tensor:
    """What division rounded down leaves: it has the sign of `other`, as Python's ``%``.

    >>> import cnnkit
    >>> cnnkit.remainder(cnnkit.tensor([-3.0, 4.0]), 2.5), cnnkit.tensor([-7]) % 3
    (tensor([2. , 1.5]), tensor([2]))
    """
    return apply(pairs.remainder, *pair(input, other))


def fmod(input: Any, other: Any) -> Tensor:
    """What division rounded toward 0 leaves: it has the sign of `input`, as C's ``%``.

    >>> import cnnkit
    >>> cnnkit.fmod(cnnkit.tensor([-3.0, 4.0]), 2.5)
    tensor([-0.5,  1.5])
    """
    return apply(pairs.fmod, *pair(input, other))


def pow(input: Any, exponent: Any) -> Tensor:
    """`input` to the power of `exponent`.

    >>> import cnnkit
    >>> cnnkit.pow(cnnkit.tensor([2.0, 3.0]), 2), cnnkit.pow(2, cnnkit.tensor([3.0]))
    (tensor([4., 9.]), tensor([8.]))
    """
    whole = isinstance(exponent, int) and isinstance(input, Value) and not input.dtype.is_floating_point
    if whole and exponent < 0:
        raise RuntimeError("integers have no negative integer powers; convert them with .float() first")
    return apply(elementwise.pow, input, exponent)


def float_power(input: Any, exponent: Any) -> Tensor:
    """`input` to the power of `exponent`, in float64.

    >>> import cnnkit
    >>> cnnkit.float_power(cnnkit.tensor([2]), 2)
    tensor([4.], dtype=float64)
    """
    x, y = (v.to(dtype="float64") if isinstance(v, Value) else float(v)  # type: ignore[attr-defined]
            for v in map(wrapped, (input, exponent)))
    return apply(elementwise.pow, x, y)


def neg(input: Tensor) -> Tensor:
    """Each element with the other sign.

    >>> import cnnkit
    >>> cnnkit.neg(cnnkit.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    if input.dtype == "bool":
        raise RuntimeError("truth values have no negative; their opposite is ~x")
    return apply(elementwise.neg, input)


def positive(input: Tensor) -> Tensor:
    """The Tensor as it is.

    >>> import cnnkit
    >>> cnnkit.positive(cnnkit.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype == "bool":
        raise RuntimeError("positive() is for numbers; these are truth values")
    return input


def abs(input: Tensor) -> Tensor:
    """Absolute value of each element; the gradient at 0 is 0.

    >>> import cnnkit
    >>> cnnkit.abs(cnnkit.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """
    return copied(input) if input.dtype == "bool" else apply(elementwise.abs, input)


def copysign(input: Tensor, other: Any) -> Tensor:
    """The absolute value of `input` with the sign of `other`, also that of -0.

    >>> import cnnkit
    >>> cnnkit.copysign(cnnkit.tensor([1.0, -2.0]), cnnkit.tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    x, y = (floating(v) for v in pair(input, other))
    size = apply(elementwise.abs, x)
    return apply(elementwise.where, _below_zero(y), -size, size)


def _below_zero(x: Any) -> Any:
    """Whether the sign is minus, also that of -0, whose reciprocal is -infinity."""
    safe = apply(elementwise.where, x == 0, x, 1.0)
    array = safe.array
    with backends.on(array):
        zero = Value.result(backends.namespace_of(array).signbit(array))
    return apply(elementwise.where, x == 0, zero, x < 0)


def lerp(input: Tensor, end: Any, weight: Any) -> Tensor:
    """From `input` to `end` by the part `weight` of the way.

    >>> import cnnkit
    >>> cnnkit.lerp(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([5.0, 6.0]), 0.5)
    tensor([3., 4.])
    """
    if input.dtype != wrapped(end).dtype:
        raise RuntimeError(f"lerp needs one dtype for both ends; got {input.dtype} and {wrapped(end).dtype}")
    return input + weight * (end - input)


@runs_in(WIDEST)
def addcmul(input: Tensor, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Tensor:
    """`input` + `value` * `tensor1` * `tensor2`.

    >>> import cnnkit
    >>> cnnkit.addcmul(cnnkit.tensor([1.0]), cnnkit.tensor([2.0]), cnnkit.tensor([3.0]), value=10)
    tensor([61.])
    """
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


@runs_in(WIDEST)
def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, *, value: Number = 1) -> Tensor:
    """`input` + `value` * `tensor1` / `tensor2`.

    >>> import cnnkit
    >>> cnnkit.addcdiv(cnnkit.tensor([1.0]), cnnkit.tensor([3.0]), cnnkit.tensor([2.0]), value=10)
    tensor([16.])
    """
    quotient = tensor1 / tensor2
    return input + (quotient if value == 1 else quotient * value)


absolute = abs
negative = neg
subtract = sub
multiply = mul
divide = div
true_divide = div


class ArithmeticMethods(Value):
    """Arithmetic, as a Tensor's methods."""

    __slots__ = ()

    absolute = abs
    abs = abs
    add = add
    addcdiv = addcdiv
    addcmul = addcmul
    copysign = copysign
    true_divide = div
    divide = div
    div = div
    float_power = float_power
    floor_divide = floor_divide
    fmod = fmod
    lerp = lerp
    multiply = mul
    mul = mul
    negative = neg
    neg = neg
    positive = positive
    pow = pow
    remainder = remainder
    subtract = sub
    sub = sub
