"""Numbers with a derivative: values are `math`'s, slopes those of finite differences."""

import math

import pytest

from cnnkit.conformance.reference import dual
from cnnkit.conformance.reference.dual import Dual

FORMULAS = [
    lambda x: 2 + x - 3 * x, lambda x: 1 - x, lambda x: x * x / (1 + x * x), lambda x: 1 / x, lambda x: -x,
    abs, dual.exp, dual.expm1, lambda x: dual.log(1 + x * x), dual.erf, lambda x: dual.log1p(x * x),
    lambda x: dual.sqrt(1 + x * x), dual.tanh,
    lambda x: x if x > 0 else 0.5 * x, lambda x: 2.0 if x <= 0 else x,
]


@pytest.mark.parametrize("point", [-1.7, -0.3, 0.4, 2.5])
@pytest.mark.parametrize("formula", FORMULAS)
def test_slope_is_that_of_finite_differences(formula, point):
    ahead, behind = (Dual.of(formula(Dual(point + step))).value for step in (1e-5, -1e-5))
    slope = Dual.of(formula(Dual(point, 1.0))).slope
    assert slope == pytest.approx((ahead - behind) / 2e-5, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "sqrt", "tanh", "erf"])
def test_values_are_pythons(name):
    assert getattr(dual, name)(Dual(0.7)).value == getattr(math, name)(0.7)


def test_large_numbers_overflow_to_infinity_and_nan_stays():
    assert dual.exp(Dual(1000.0)).value == dual.expm1(Dual(1000.0)).value == math.inf
    assert (dual.tanh(Dual(1000.0, 1.0)).value, dual.tanh(Dual(1000.0, 1.0)).slope) == (1.0, 0.0)
    for function in (dual.exp, dual.expm1, dual.tanh, dual.erf, abs):
        assert math.isnan(function(Dual(math.nan, 1.0)).value)


def test_comparisons_are_those_of_the_values():
    assert Dual(1.0, 5.0) < Dual(2.0, 1.0) <= 2.0
    assert Dual(2.0) >= 2 > Dual(1.0, 9.0)
