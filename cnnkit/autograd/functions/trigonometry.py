"""Trigonometric and hyperbolic functions of each element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.operands import floating, pair
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise, pairs
from cnnkit.ops import trigonometry as ops

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin",
           "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "hypot", "rad2deg", "sin", "sinc",
           "sinh", "tan"]


def sin(input: Tensor) -> Tensor:
    """Sine of each element, in radians.

    >>> import cnnkit
    >>> round(cnnkit.sin(cnnkit.tensor(0.5)).item(), 4)
    0.4794
    """
    return apply(ops.sin, floating(input))


def cos(input: Tensor) -> Tensor:
    """Cosine of each element, in radians.

    >>> import cnnkit
    >>> round(cnnkit.cos(cnnkit.tensor(0.5)).item(), 4)
    0.8776
    """
    return apply(ops.cos, floating(input))


def tan(input: Tensor) -> Tensor:
    """Tangent of each element, in radians.

    >>> import cnnkit
    >>> round(cnnkit.tan(cnnkit.tensor(0.5)).item(), 4)
    0.5463
    """
    return apply(ops.tan, floating(input))


def asin(input: Tensor) -> Tensor:
    """The angle whose sine is each element; NaN outside [-1, 1].

    >>> import cnnkit
    >>> round(cnnkit.asin(cnnkit.tensor(0.5)).item(), 4)
    0.5236
    """
    return apply(ops.asin, floating(input))


def acos(input: Tensor) -> Tensor:
    """The angle whose cosine is each element; NaN outside [-1, 1].

    >>> import cnnkit
    >>> round(cnnkit.acos(cnnkit.tensor(0.5)).item(), 4)
    1.0472
    """
    return apply(ops.acos, floating(input))


def atan(input: Tensor) -> Tensor:
    """The angle whose tangent is each element.

    >>> import cnnkit
    >>> round(cnnkit.atan(cnnkit.tensor(0.5)).item(), 4)
    0.4636
    """
    return apply(ops.atan, floating(input))


def sinh(input: Tensor) -> Tensor:
    """Hyperbolic sine of each element.

    >>> import cnnkit
    >>> round(cnnkit.sinh(cnnkit.tensor(0.5)).item(), 4)
    0.5211
    """
    return apply(ops.sinh, floating(input))


def cosh(input: Tensor) -> Tensor:
    """Hyperbolic cosine of each element.

    >>> import cnnkit
    >>> round(cnnkit.cosh(cnnkit.tensor(0.5)).item(), 4)
    1.1276
    """
    return apply(ops.cosh, floating(input))


def asinh(input: Tensor) -> Tensor:
    """Inverse hyperbolic sine of each element.

    >>> import cnnkit
    >>> round(cnnkit.asinh(cnnkit.tensor(0.5)).item(), 4)
    0.4812
    """
    return apply(ops.asinh, floating(input))


def acosh(input: Tensor) -> Tensor:
    """Inverse hyperbolic cosine of each element; NaN below 1.

    >>> import cnnkit
    >>> round(cnnkit.acosh(cnnkit.tensor(2.0)).item(), 4)
    1.317
    """
    return apply(ops.acosh, floating(input))


def atanh(input: Tensor) -> Tensor:
    """Inverse hyperbolic tangent of each element; NaN outside [-1, 1].

    >>> import cnnkit
    >>> round(cnnkit.atanh(cnnkit.tensor(0.5)).item(), 4)
    0.5493
    """
    return apply(ops.atanh, floating(input))


def atan2(input: Tensor, other: Any) -> Tensor:
    """The angle of the point (`other`, `input`): the tangent is input / other, the signs say which quadrant.

    >>> import cnnkit
    >>> round(cnnkit.atan2(cnnkit.tensor(1.0), cnnkit.tensor(-1.0)).item(), 4)
    2.3562
    """
    x, y = pair(input, other)
    return apply(pairs.atan2, floating(x), floating(y))


def hypot(input: Tensor, other: Any) -> Tensor:
    """The longest side of a right triangle: the square root of the sum of the squares.

    >>> import cnnkit
    >>> cnnkit.hypot(cnnkit.tensor([3.0]), cnnkit.tensor([4.0]))
    tensor([5.])
    """
    x, y = pair(input, other)
    return apply(elementwise.sqrt, x * x + y * y)


def deg2rad(input: Tensor) -> Tensor:
    """Degrees in radians.

    >>> import cnnkit
    >>> round(cnnkit.deg2rad(cnnkit.tensor(180.0)).item(), 4)
    3.1416
    """
    return floating(input) * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians in degrees.

    >>> import cnnkit
    >>> round(cnnkit.rad2deg(cnnkit.tensor(1.0)).item(), 4)
    57.2958
    """
    return floating(input) * (180 / math.pi)


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0.

    >>> import cnnkit
    >>> cnnkit.sinc(cnnkit.tensor([0.0, 0.5])).tolist()[0]
    1.0
    """
    x: Any = floating(input) * math.pi
    zero = x == 0
    safe = apply(elementwise.where, zero, 1.0, x)
    return apply(elementwise.where, zero, 1 - x * x / 6, sin(safe) / safe)  # flat at 0, in derivatives too


arcsin = asin
arccos = acos
arctan = atan
arctan2 = atan2
arcsinh = asinh
arccosh = acosh
arctanh = atanh


class TrigonometryMethods(Value):
    """The trigonometric functions, as a Tensor's methods."""

    __slots__ = ()

    sin = sin
    cos = cos
    tan = tan
    asin = asin
    acos = acos
    atan = atan
    sinh = sinh
    cosh = cosh
    asinh = asinh
    acosh = acosh
    atanh = atanh
    atan2 = atan2
    hypot = hypot
    deg2rad = deg2rad
    rad2deg = rad2deg
    sinc = sinc
    arcsin = arcsin
    arccos = arccos
    arctan = arctan
    arctan2 = arctan2
    arcsinh = arcsinh
    arccosh = arccosh
    arctanh = arctanh
