"""Special functions: beside Python's `math`, far out, and in every precision."""

import math

import numpy as np
import pytest
from against_torch import Place

from cnnkit.ops.special import normal_cumulative, normal_density, sigmoid


@pytest.fixture(params=["numpy", "array-api-strict"])
def place(request):
    return Place(request.param)


def values(place, function, x, *arguments):
    return place.numpy(function(place.backend.namespace, place.array(x), *arguments))


X = np.linspace(-12, 12, 4801)


def test_the_exact_normal_distribution_is_pythons_within_three_roundings_of_1(place):
    expected = [math.erfc(-x / math.sqrt(2)) / 2 for x in X]
    np.testing.assert_allclose(values(place, normal_cumulative, X, "none"), expected, rtol=0, atol=3e-16)


def test_the_approximation_is_its_formula(place):
    expected = [(1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2 for x in X]
    np.testing.assert_allclose(values(place, normal_cumulative, X, "tanh"), expected, rtol=0, atol=1e-15)
    assert 1e-4 < np.abs(np.array(expected) - values(place, normal_cumulative, X, "none")).max() < 2e-4


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_density_is_the_slope(place, approximate):
    ahead, y, behind = (values(place, normal_cumulative, X + step, approximate) for step in (1e-5, 0, -1e-5))
    density = values(place, normal_density, X, place.array(y), approximate)
    np.testing.assert_allclose(density, (ahead - behind) / 2e-5, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_far_out_it_is_0_or_1_without_a_warning(dtype, approximate):
    x = np.array([-6e4, 6e4] if dtype == "float16" else [-1e30, 1e30], dtype)
    y = normal_cumulative(np, x, approximate)
    assert y.dtype == dtype
    assert y.tolist() == [0.0, 1.0]
    assert normal_density(np, x, y, approximate).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_lower_precision_costs_a_few_roundings(dtype):
    x = X.astype(dtype)
    expected = [math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(float)]
    np.testing.assert_allclose(normal_cumulative(np, x, "none"), expected, rtol=0,
                               atol=2 * np.finfo(dtype).eps)


def test_sigmoid_does_not_overflow(place):
    assert values(place, sigmoid, [-1000.0, 0.0, 1000.0]).tolist() == [0.0, 0.5, 1.0]
