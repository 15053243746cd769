"""Special functions that the Array API lacks: the logistic function, and the normal distribution."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.ops.dtypes import widen

__all__ = ["error_complement", "error_function", "error_slope", "normal_cumulative", "normal_density",
           "sigmoid"]

Array = Any

# Hart et al., "Computer approximations" (1968), 5666: exp(x * x / 2) times the normal distribution's tail
# beyond x > 0 is a quotient of two polynomials, here from the highest power down.
NUMERATOR = (3.52624965998911e-2, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871,
             221.213596169931, 220.206867912376)
DENOMINATOR = (8.83883476483184e-2, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674,
               637.333633378831, 793.826512519948, 440.413735824752)
FAR = 40.0  # exp(-FAR * FAR / 2) is 0 in float64


def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow."""
    exp = xp.exp(-xp.abs(x))
    return xp.where(x < 0, exp, xp.ones_like(exp)) / (1 + exp)


def normal_cumulative(xp: Any, x: Array, approximate: str) -> Array:
    """The part of the standard normal distribution below x; ``"tanh"`` approximates it to 2e-4.

    ``"none"`` is exact to 3e-16 in float64. Far below 0 that is no relative accuracy, as in ``1 + erf``.
    """
    clipped = xp.clip(widen(x), -FAR, FAR)
    if approximate == "tanh":
        logit = math.sqrt(8 / math.pi) * clipped * (1 + 0.044715 * clipped * clipped)
        return xp.astype(sigmoid(xp, logit), x.dtype, copy=False)
    magnitude = xp.abs(clipped)
    tail = xp.exp(-0.5 * clipped * clipped) * _polynomial(NUMERATOR, magnitude)
    tail = tail / _polynomial(DENOMINATOR, magnitude)
    return xp.astype(xp.where(clipped < 0, tail, 1 - tail), x.dtype, copy=False)


def normal_density(xp: Any, x: Array, cumulative: Array, approximate: str) -> Array:
    """The derivative of `normal_cumulative`, whose result is given too."""
    clipped = xp.clip(widen(x), -FAR, FAR)
    if approximate == "tanh":
        slope = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * clipped * clipped)
        return xp.astype(slope * widen(cumulative) * (1 - widen(cumulative)), x.dtype, copy=False)
    return xp.astype(xp.exp(-0.5 * clipped * clipped) * (1 / math.sqrt(2 * math.pi)), x.dtype, copy=False)


# the error function's Taylor series beside 0, x times a polynomial in x * x, from the highest power down
SERIES = tuple(2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1))
               for n in range(12, -1, -1))


def error_function(xp: Any, x: Array) -> Array:
    """The error function: by its series within 1/2 of 0, so that small numbers keep their digits."""
    wide = widen(x)
    small = xp.clip(wide, -0.5, 0.5)
    beside_zero = small * _polynomial(SERIES, small * small)
    beyond = 1 - error_complement(xp, xp.abs(wide))
    result = xp.where(xp.abs(wide) < 0.5, beside_zero, xp.where(wide < 0, -beyond, beyond))
    return xp.astype(result, x.dtype, copy=False)


def error_complement(xp: Any, x: Array) -> Array:
    """1 minus the error function: twice the tail of the normal distribution beyond x times the root of 2."""
    tail = normal_cumulative(xp, -math.sqrt(2) * widen(x), "none")
    return xp.astype(2 * tail, x.dtype, copy=False)


def error_slope(xp: Any, x: Array) -> Array:
    """The derivative of the error function."""
    clipped = xp.clip(widen(x), -FAR, FAR)
    return xp.astype(xp.exp(-clipped * clipped) * (2 / math.sqrt(math.pi)), x.dtype, copy=False)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """By Horner's rule."""
    first, second, *others = coefficients
    y = first * x + second
    for coefficient in others:
        y = y * x + coefficient
    return y
