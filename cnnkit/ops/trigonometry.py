"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

from typing import Any

from cnnkit.ops.unary import elementwise

Array = Any


@elementwise(from_x=lambda xp, dy, x: dy * xp.cos(x), torch="torch.sin")
def sin(xp: Any, x: Array) -> Array:
    """Sine of radians."""
    return xp.sin(x)


@elementwise(from_x=lambda xp, dy, x: -dy * xp.sin(x), torch="torch.cos")
def cos(xp: Any, x: Array) -> Array:
    """Cosine of radians."""
    return xp.cos(x)


@elementwise(from_y=lambda xp, dy, y: dy * (1 + y * y), torch="torch.tan")
def tan(xp: Any, x: Array) -> Array:
    """Tangent of radians."""
    return xp.tan(x)


@elementwise(from_x=lambda xp, dy, x: dy / xp.sqrt(1 - x * x), torch="torch.asin")
def asin(xp: Any, x: Array) -> Array:
    """The angle whose sine is x; NaN outside [-1, 1]."""
    return xp.asin(x)


@elementwise(from_x=lambda xp, dy, x: -dy / xp.sqrt(1 - x * x), torch="torch.acos")
def acos(xp: Any, x: Array) -> Array:
    """The angle whose cosine is x; NaN outside [-1, 1]."""
    return xp.acos(x)


@elementwise(from_x=lambda xp, dy, x: dy / (1 + x * x), torch="torch.atan")
def atan(xp: Any, x: Array) -> Array:
    """The angle whose tangent is x."""
    return xp.atan(x)


@elementwise(from_x=lambda xp, dy, x: dy * xp.cosh(x), torch="torch.sinh")
def sinh(xp: Any, x: Array) -> Array:
    """Hyperbolic sine."""
    return xp.sinh(x)


@elementwise(from_x=lambda xp, dy, x: dy * xp.sinh(x), torch="torch.cosh")
def cosh(xp: Any, x: Array) -> Array:
    """Hyperbolic cosine."""
    return xp.cosh(x)


@elementwise(from_x=lambda xp, dy, x: dy / xp.sqrt(x * x + 1), torch="torch.asinh")
def asinh(xp: Any, x: Array) -> Array:
    """Inverse hyperbolic sine."""
    return xp.asinh(x)


@elementwise(from_x=lambda xp, dy, x: dy / xp.sqrt(x * x - 1), torch="torch.acosh")
def acosh(xp: Any, x: Array) -> Array:
    """Inverse hyperbolic cosine; NaN below 1."""
    return xp.acosh(x)


@elementwise(from_x=lambda xp, dy, x: dy / (1 - x * x), torch="torch.atanh")
def atanh(xp: Any, x: Array) -> Array:
    """Inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return xp.atanh(x)
