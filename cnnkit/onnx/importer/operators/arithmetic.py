"""Elementwise arithmetic, with NumPy's broadcasting, as ONNX has it from opset 7 on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.host import number, room

__all__ = ["broadcast_room", "unary"]

elementwise = functools.partial(operator, foldable=True, elementwise=True)


def broadcast_room(*values: Tensor) -> None:
    """Ask for the room of what inputs become together."""
    room(T.broadcast_shapes(*(value.shape for value in values)))


@elementwise("Add")
def add(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a + b


@elementwise("Sub")
def sub(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a - b


@elementwise("Mul")
def mul(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a * b


@elementwise("Div")
def div(a: Tensor, b: Tensor) -> Tensor:
    """Of whole numbers, the quotient without its fraction."""
    broadcast_room(a, b)
    return a / b if a.is_floating_point() else T.div(a, b, rounding_mode="trunc")


@elementwise("Pow")
def power(x: Tensor, exponent: Tensor) -> Tensor:
    """In the dtype of `x`, whatever the exponent's is."""
    broadcast_room(x, exponent)
    if x.is_floating_point():
        one = exponent.numel() == 1 and exponent.ndim <= x.ndim and not exponent.requires_grad
        return x ** float(number(exponent)) if one else x ** exponent.to(dtype=x.dtype)
    if exponent.is_floating_point():
        return (x.to(dtype="float64") ** exponent.to(dtype="float64")).to(dtype=x.dtype)
    return (x ** exponent.to(dtype=x.dtype)).to(dtype=x.dtype)


@elementwise("Mod")
def modulo(a: Tensor, b: Tensor, *, fmod: int = 0) -> Tensor:
    """The remainder with the divisor's sign, or with ``fmod=1`` that of the dividend."""
    broadcast_room(a, b)
    return T.fmod(a, b) if fmod else T.remainder(a, b)


def _reduced(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def together(*values: Tensor) -> Tensor:
        broadcast_room(*values)
        return functools.reduce(function, values)
    return together


elementwise("Max")(_reduced(T.maximum))
elementwise("Min")(_reduced(T.minimum))
elementwise("Sum")(_reduced(lambda a, b: a + b))


@elementwise("Mean")
def mean(*values: Tensor) -> Tensor:
    broadcast_room(*values)
    return functools.reduce(lambda a, b: a + b, values) / len(values)


def _clipped(x: Tensor, low: float | None, high: float | None) -> Tensor:
    return x if low is None and high is None else T.clamp(x, low, high)


@operator("Clip", until=10, foldable=True)
def clip_by_attributes(x: Tensor, *, min: float = -3.4028234663852886e38,
                       max: float = 3.4028234663852886e38) -> Tensor:
    return _clipped(x, min, max)


@operator("Clip", since=11, settings="min max", foldable=True)
def clip(x: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Tensor:
    return _clipped(x, None if min is None else number(min), None if max is None else number(max))


def unary(**functions: Callable[[Tensor], Tensor]) -> None:
    """Declare operators of one input, and no attribute."""
    for name, function in functions.items():
        operator(name, since=1, foldable=True, elementwise=True)(_one_input(function))


def _one_input(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        return function(x)
    return apply


unary(Abs=T.abs, Acos=T.acos, Acosh=T.acosh, Asin=T.asin, Asinh=T.asinh, Atan=T.atan, Atanh=T.atanh,
      Ceil=T.ceil, Cos=T.cos, Cosh=T.cosh, Erf=T.erf, Exp=T.exp, Floor=T.floor, Log=T.log, Neg=T.neg,
      Reciprocal=T.reciprocal, Round=T.round, Sign=T.sign, Sin=T.sin, Sinh=T.sinh, Sqrt=T.sqrt, Tan=T.tan,
      Tanh=T.tanh)


@elementwise("BitShift")
def bit_shift(x: Tensor, y: Tensor, *, direction: str) -> Tensor:
    broadcast_room(x, y)
    return x << y if direction == "LEFT" else x >> y


@elementwise("BitwiseAnd")
def bitwise_and(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a & b


@elementwise("BitwiseOr")
def bitwise_or(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a | b


@elementwise("BitwiseXor")
def bitwise_xor(a: Tensor, b: Tensor) -> Tensor:
    broadcast_room(a, b)
    return a ^ b


unary(BitwiseNot=T.bitwise_not)
