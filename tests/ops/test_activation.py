"""Activation ops: slopes of leaky ReLU, infinite gradients, softmax; test_unary.py has what all share."""

import math

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, run

from cnnkit import backends
from cnnkit.ops import activation as ops


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("slope", [-0.5, 0.0, 1.0, 1.5])
def test_leaky_relu_takes_any_slope(place, torch, rng, slope):
    compare(place, ops.leaky_relu, lambda x: torch.where(x > 0, x, x * slope), [rng.normal(size=(4, 5))],
            {"negative_slope": slope})


def test_relu_passes_no_infinite_gradient_where_it_is_flat(place):
    _, (dx,) = run(place, ops.relu, [np.array([-1.0, 2.0])], dy=np.array([math.inf, math.inf]))
    assert dx.tolist() == [0.0, math.inf]


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((3, 4), 1), ((3, 4), -2), ((2, 3, 4, 5), 1),
                                             ((2, 3, 4), -1), ((0, 3), 1), ((3, 0), 1), ((2, 1), 1)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_equals_pytorch(place, torch, rng, name, shape, axis):
    compare(place, getattr(ops, name), lambda x: getattr(torch, name)(x, axis),
            [rng.normal(0, 3, shape)], {"axis": axis})


def test_softmax_is_its_definition(anywhere, rng):
    x = rng.normal(size=(3, 4))
    expected = np.array([[math.exp(v) / sum(math.exp(u) for u in row) for v in row] for row in x.tolist()])
    (y,), _ = run(anywhere, ops.softmax, [x], {"axis": 1})
    np.testing.assert_allclose(y, expected, **anywhere.close)
    (y,), _ = run(anywhere, ops.log_softmax, [x], {"axis": 1})
    np.testing.assert_allclose(y, np.log(expected), **anywhere.close)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("row", [[1e4, 0.0, -1e4], [-math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0]])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extremes_equals_pytorch_without_a_warning(place, torch, name, row):
    compare(place, getattr(ops, name), lambda x: getattr(torch, name)(x, 1), [np.array([row])],
            {"axis": 1}, gradients=False)


@pytest.mark.parametrize("row", [[math.inf, 0.0], [-math.inf, -math.inf]])
def test_softmax_without_a_finite_maximum_is_nan_without_a_warning(row):
    for op in (ops.softmax, ops.log_softmax):
        (y,), _ = run(Place("numpy"), op, [np.array([row])], {"axis": 1})
        assert np.isnan(y).any()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_float16_is_summed_in_float32(name):
    x = np.zeros((1, 70000), np.float16)  # more than float16's largest number
    for tables in ("numpy",), ():
        with backends.tables(*tables):
            (y,), backward = getattr(ops, name)(x, needs=[True], axis=1)
            (dx,) = backward(np.ones_like(x))
        assert y.dtype == dx.dtype == np.float16
        np.testing.assert_allclose(y, 1 / 70000 if name == "softmax" else -math.log(70000), rtol=5e-3)
        np.testing.assert_allclose(dx, 0, atol=1e-3)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_saves_nothing_where_nothing_is_needed(place, rng, name):
    with place.tables():
        assert getattr(ops, name)(place.array(rng.normal(size=(3, 2))), needs=[False], axis=0)[1] is None


def test_softmax_keeps_channels_that_lie_last_in_memory_there(rng):
    x = rng.normal(size=(2, 4, 5, 3)).transpose(0, 3, 1, 2)
    (y,), backward = ops.softmax(x, needs=[True], axis=1)
    assert y.strides == x.strides
    assert backward(y)[0].strides == x.strides


def test_an_axis_that_is_not_there_raises():
    with pytest.raises(IndexError, match=r"softmax got axis 2 for an array of shape \(3, 4\)"):
        ops.softmax(np.zeros((3, 4)), axis=2)
