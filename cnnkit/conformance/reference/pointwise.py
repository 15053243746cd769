"""Trigonometry, logarithms, rounding, functions of pairs of numbers, bits: the ground truth."""

from __future__ import annotations

import math
import operator

from cnnkit.conformance.reference import dual
from cnnkit.conformance.reference.arithmetic import Reference, elementwise
from cnnkit.conformance.reference.formula import Formula

__all__ = ["FORMULAS", "POINTWISE"]

SHORT = ("kinks", "vector", "batch-0")  # cases that say nothing new of a library's function
ENDLESS = (*SHORT, "infinities")  # of infinity there is no sine
STEEP = (*SHORT, "large")  # beyond the largest number
ABOVE_ZERO, INSIDE = (0, math.inf), (-1.0, 1.0)

FORMULAS = {
    "sin": Formula(dual.sin, without=ENDLESS),
    "cos": Formula(dual.cos, without=ENDLESS),
    "tan": Formula(dual.tan, domain=INSIDE, without=SHORT),
    "asin": Formula(dual.asin, domain=INSIDE, without=SHORT),
    "acos": Formula(dual.acos, domain=INSIDE, without=SHORT),
    "atan": Formula(dual.atan, without=SHORT),
    "sinh": Formula(dual.sinh, without=STEEP),
    "cosh": Formula(dual.cosh, without=STEEP),
    "asinh": Formula(dual.asinh, without=SHORT),
    "acosh": Formula(dual.acosh, domain=(1.0, math.inf), without=SHORT),
    "atanh": Formula(dual.atanh, domain=INSIDE, without=SHORT),
    "expm1": Formula(dual.expm1, without=STEEP),
    "log1p": Formula(dual.log1p, domain=(-1.0, math.inf), without=SHORT),
    "log2": Formula(dual.log2, domain=ABOVE_ZERO, without=SHORT),
    "log10": Formula(dual.log10, domain=ABOVE_ZERO, without=SHORT),
    "erf": Formula(dual.erf, without=SHORT),
    "erfc": Formula(dual.erfc, without=SHORT),
    "floor": Formula(dual.floor, tolerance="exact", without=SHORT),
    "ceil": Formula(dual.ceil, tolerance="exact", without=SHORT),
    "trunc": Formula(dual.trunc, tolerance="exact", without=SHORT),
    "round": Formula(dual.rounded, tolerance="exact", without=SHORT),
    "sign": Formula(dual.sign, tolerance="exact", without=SHORT),
}


def larger(x: float, y: float) -> float:
    """1 where x is larger, 1/2 at a tie."""
    return (x > y) + (x == y) / 2


POINTWISE: dict[str, Reference] = {
    "maximum": elementwise(max, larger, lambda x, y: larger(y, x)),
    "minimum": elementwise(min, lambda x, y: larger(y, x), larger),
    "atan2": elementwise(math.atan2, lambda x, y: y / (x * x + y * y), lambda x, y: -x / (x * x + y * y)),
    "remainder": elementwise(operator.mod, lambda x, y: 1.0, lambda x, y: -math.floor(x / y)),
    "fmod": elementwise(math.fmod, lambda x, y: 1.0, lambda x, y: -math.trunc(x / y)),
    "floor_divide": elementwise(operator.floordiv),
    "bitwise_and": elementwise(lambda x, y: int(x) & int(y)),
    "bitwise_or": elementwise(lambda x, y: int(x) | int(y)),
    "bitwise_xor": elementwise(lambda x, y: int(x) ^ int(y)),
    "bitwise_left_shift": elementwise(lambda x, y: int(x) << int(y)),
    "bitwise_right_shift": elementwise(lambda x, y: int(x) >> int(y)),
    "bitwise_not": elementwise(lambda x: ~int(x)),
}
