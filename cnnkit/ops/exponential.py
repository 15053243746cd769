"""Exponential functions and logarithms beside `exp` and `log`, and the error function."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.ops import special
from cnnkit.ops.unary import elementwise

Array = Any


@elementwise(from_y=lambda xp, dy, y: dy * (y + 1), torch="torch.expm1")
def expm1(xp: Any, x: Array) -> Array:
    """e ** x - 1, exact near 0."""
    return xp.expm1(x)


@elementwise(from_x=lambda xp, dy, x: dy / (1 + x), torch="torch.log1p")
def log1p(xp: Any, x: Array) -> Array:
    """log(1 + x), exact near 0."""
    return xp.log1p(x)


@elementwise(from_x=lambda xp, dy, x: dy / (x * math.log(2)), torch="torch.log2")
def log2(xp: Any, x: Array) -> Array:
    """Logarithm to base 2."""
    return xp.log2(x)


@elementwise(from_x=lambda xp, dy, x: dy / (x * math.log(10)), torch="torch.log10")
def log10(xp: Any, x: Array) -> Array:
    """Logarithm to base 10."""
    return xp.log10(x)


@elementwise(from_x=lambda xp, dy, x: dy * special.error_slope(xp, x), torch="torch.erf")
def erf(xp: Any, x: Array) -> Array:
    """The error function: the part of a normal distribution of variance 1/2 within x of 0, with x's sign."""
    return special.error_function(xp, x)


@elementwise(from_x=lambda xp, dy, x: -dy * special.error_slope(xp, x), torch="torch.erfc")
def erfc(xp: Any, x: Array) -> Array:
    """1 - erf(x), exact where that is nearly 0."""
    return special.error_complement(xp, x)
