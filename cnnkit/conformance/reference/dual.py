"""Numbers that carry a derivative, so that a formula written once gives its value and its exact slope.

A `Dual` is a value and how fast it changes; arithmetic and the functions here follow the rules of
differentiation. A branch (``x if x > 0 else 0.0``) is taken by the value, and its slope counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = [
    "Dual",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "log2",
    "log10",
    "rounded",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]


class Dual:
    """A value and its slope.

    >>> x = Dual(3.0, 1.0)
    >>> y = x * x + 1 / x
    >>> round(y.value, 6), round(y.slope, 6)
    (9.333333, 5.888889)
    """

    def __init__(self, value: float, slope: float = 0.0):
        self.value, self.slope = value, slope

    @classmethod
    def of(cls, value: Any) -> Dual:
        """A number as a constant; a Dual as it is."""
        return value if isinstance(value, Dual) else cls(float(value))

    def __add__(self, other: Any) -> Dual:
        other = Dual.of(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other: Any) -> Dual:
        other = Dual.of(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other: Any) -> Dual:
        other = Dual.of(other)
        ratio = self.value / other.value
        return Dual(ratio, (self.slope - ratio * other.slope) / other.value)

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __abs__(self) -> Dual:
        return Dual(abs(self.value), self.slope * ((self.value > 0) - (self.value < 0)))

    def __sub__(self, other: Any) -> Dual:
        return self + -Dual.of(other)

    def __rsub__(self, other: Any) -> Dual:
        return Dual.of(other) - self

    def __rtruediv__(self, other: Any) -> Dual:
        return Dual.of(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        return self.value < Dual.of(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= Dual.of(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > Dual.of(other).value

    def __ge__(self, other: Any) -> bool:
        return self.value >= Dual.of(other).value


def _function(value: Callable[[float], float], slope: Callable[[float], float]) -> Callable[[Dual], Dual]:
    return lambda x: Dual(value(x.value), slope(x.value) * x.slope)


def _finite(function: Callable[[float], float]) -> Callable[[float], float]:
    """NaN where Python refuses infinity or NaN."""
    return lambda v: function(v) if math.isfinite(v) else math.nan


def _step(function: Callable[[float], float]) -> Callable[[Dual], Dual]:
    """A function that is flat between its jumps; infinity and NaN stay."""
    return _function(lambda v: float(function(v)) if math.isfinite(v) else v, lambda v: 0.0)


def _exp(v: float) -> float:
    return math.exp(v) if not v > 709 else math.inf


exp = _function(_exp, _exp)
expm1 = _function(lambda v: math.expm1(v) if not v > 709 else math.inf, _exp)
log = _function(math.log, lambda v: 1 / v)
log1p = _function(math.log1p, lambda v: 1 / (1 + v))
sqrt = _function(math.sqrt, lambda v: 0.5 / math.sqrt(v))
tanh = _function(math.tanh, lambda v: 0.0 if abs(v) > 300 else 1 / math.cosh(v) ** 2)
erf = _function(math.erf, lambda v: 2 / math.sqrt(math.pi) * _exp(-v * v))
erfc = _function(math.erfc, lambda v: -2 / math.sqrt(math.pi) * _exp(-v * v))
log2 = _function(math.log2, lambda v: 1 / (v * math.log(2)))
log10 = _function(math.log10, lambda v: 1 / (v * math.log(10)))
sin = _function(_finite(math.sin), _finite(math.cos))
cos = _function(_finite(math.cos), _finite(lambda v: -math.sin(v)))
tan = _function(_finite(math.tan), _finite(lambda v: 1 / math.cos(v) ** 2))
asin = _function(math.asin, lambda v: 1 / math.sqrt(1 - v * v))
acos = _function(math.acos, lambda v: -1 / math.sqrt(1 - v * v))
atan = _function(math.atan, lambda v: 1 / (1 + v * v))
sinh = _function(math.sinh, math.cosh)
cosh = _function(math.cosh, math.sinh)
asinh = _function(math.asinh, lambda v: 1 / math.sqrt(v * v + 1))
acosh = _function(math.acosh, lambda v: 1 / math.sqrt(v * v - 1))
atanh = _function(math.atanh, lambda v: 1 / (1 - v * v))
floor, ceil, trunc, rounded = _step(math.floor), _step(math.ceil), _step(math.trunc), _step(round)
sign = _function(lambda v: float((v > 0) - (v < 0)), lambda v: 0.0)
