"""NumPy's scatter-add: the order of its sums, blocks of rows, and no warning where infinities meet."""

import warnings

import numpy as np
import pytest
from cnnkit_numpy import gathering


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), [((50, 7), 0), ((3, 50, 2), 1), ((50,), 0), ((50, 0), 0)])
def test_sums_are_added_up_in_their_order_in_any_blocks(monkeypatch, dtype, shape, axis):
    monkeypatch.setattr(gathering, "BLOCK", 20)
    rng = np.random.default_rng(0)
    dy, index = rng.standard_normal(shape).astype(dtype), rng.integers(0, 9, 50)
    y, backward = gathering.scatter_add(dy, index, needs=(True, False), axis=axis, size=11)
    expected = np.zeros_like(y)
    np.add.at(expected, (slice(None),) * axis + (index,), dy)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(y)[0], np.take(y, index, axis))


def test_infinities_that_meet_give_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dy, index = np.array([np.inf, -np.inf, 1.0]), np.array([0, 0, 2])
        y, _ = gathering.scatter_add(dy, index, needs=(False, False), axis=0, size=3)
    np.testing.assert_array_equal(y, [np.nan, 0, 1])
