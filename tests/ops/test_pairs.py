"""Functions of two numbers where they are special: NaN, infinity, zeros and ties, as in PyTorch."""

import math

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, equal_in_pytorch

from cnnkit.ops import OPS

SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, 7.0, math.inf, -math.inf, math.nan])


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", ["maximum", "minimum", "atan2"])
def test_special_numbers_are_treated_as_in_pytorch(place, name):
    x, y = (v.reshape(-1) for v in np.meshgrid(SPECIAL, SPECIAL))
    if name == "atan2":
        finite = np.isfinite(x) & np.isfinite(y) & ((x != 0) | (y != 0))
        x, y = x[finite], y[finite]
    compare(place, OPS[name], equal_in_pytorch(OPS[name]), [x, y])


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", ["remainder", "fmod"])
@pytest.mark.parametrize("divisor", [3.0, -3.0, 0.75])
def test_both_signs_divide_as_in_pytorch(place, name, divisor):
    x = np.array([-7.0, -3.5, -0.5, 0.5, 3.5, 7.0])
    compare(place, OPS[name], equal_in_pytorch(OPS[name]), [x, np.full(6, divisor)])


def test_shapes_that_do_not_broadcast_are_named(place):
    with pytest.raises(ValueError, match=r"maximum got shapes \(2,\) and \(3,\), which do not broadcast"):
        OPS["maximum"](place.array(np.ones(2)), place.array(np.ones(3)))


def test_operands_that_need_no_gradient_get_none(place):
    x, y = place.array(np.array([1.0, 3.0])), place.array(np.array([2.0, 2.0]))
    assert OPS["maximum"](x, y)[1] is None
    dx, dy = OPS["maximum"](x, y, needs=(True, False))[1](place.array(np.ones(2)))
    assert (place.numpy(dx).tolist(), dy) == ([0.0, 1.0], None)
    assert OPS["floor_divide"](x, y, needs=(True, True))[1] is None
