"""Activation ops: against PyTorch, at the values where they are delicate, and softmax against its definition."""

import math

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, run

from cnnkit import backends
from cnnkit.ops import activation as ops

ELEMENTWISE = {
    "relu": ({}, lambda F, x: F.relu(x)),
    "leaky_relu": ({"negative_slope": 0.2}, lambda F, x: F.leaky_relu(x, 0.2)),
    "elu": ({"alpha": 0.7}, lambda F, x: F.elu(x, 0.7)),
    "sigmoid": ({}, lambda F, x: F.sigmoid(x)),
    "silu": ({}, lambda F, x: F.silu(x)),
    "tanh": ({}, lambda F, x: F.tanh(x)),
}


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


@pytest.mark.parametrize("shape", [(), (7,), (0, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_equals_pytorch(place, torch, rng, name, shape):
    attrs, reference = ELEMENTWISE[name]
    compare(place, getattr(ops, name), lambda x: reference(torch.nn.functional, x), [rng.normal(0, 3, shape)], attrs)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_zero_infinity_and_nan_are_treated_as_in_pytorch(place, torch, name):
    attrs, reference = ELEMENTWISE[name]
    x = np.array([0.0, -0.0, 1.0, -1.0, 1000.0, -1000.0, math.nan, math.inf])
    if name == "silu":
        x = x[:-1]  # there PyTorch's gradient is NaN too, but its path to it differs between its versions
    compare(place, getattr(ops, name), lambda t: reference(torch.nn.functional, t), [x], attrs)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_is_its_definition(anywhere, name):
    define = {"relu": lambda x: max(x, 0), "leaky_relu": lambda x: x if x > 0 else 0.2 * x, "tanh": math.tanh,
              "elu": lambda x: x if x > 0 else 0.7 * (math.exp(x) - 1), "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
              "silu": lambda x: x / (1 + math.exp(-x))}[name]
    x, h = [-2.0, -0.3, 0.7, 3.0], 1e-6
    (y,), (dx,) = run(anywhere, getattr(ops, name), [np.array(x)], ELEMENTWISE[name][0])
    np.testing.assert_allclose(y, [define(v) for v in x], **anywhere.close)
    np.testing.assert_allclose(dx, [(define(v + h) - define(v - h)) / (2 * h) for v in x], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 1.0, 1.5])
def test_leaky_relu_takes_any_slope(place, torch, rng, slope):
    compare(place, ops.leaky_relu, lambda x: torch.where(x > 0, x, x * slope), [rng.normal(size=(4, 5))], {"negative_slope": slope})


def test_relu_passes_no_infinite_gradient_where_it_is_flat(place):
    _, (dx,) = run(place, ops.relu, [np.array([-1.0, 2.0])], dy=np.array([math.inf, math.inf]))
    assert dx.tolist() == [0.0, math.inf]


@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((3, 4), 1), ((3, 4), -2), ((2, 3, 4, 5), 1), ((2, 3, 4), -1), ((0, 3), 1),
                                             ((3, 0), 1), ((2, 1), 1)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_equals_pytorch(place, torch, rng, name, shape, axis):
    compare(place, getattr(ops, name), lambda x: getattr(torch, name)(x, axis), [rng.normal(0, 3, shape)], {"axis": axis})


def test_softmax_is_its_definition(anywhere, rng):
    x = rng.normal(size=(3, 4))
    expected = np.array([[math.exp(v) / sum(math.exp(u) for u in row) for v in row] for row in x.tolist()])
    (y,), _ = run(anywhere, ops.softmax, [x], {"axis": 1})
    np.testing.assert_allclose(y, expected, **anywhere.close)
    (y,), _ = run(anywhere, ops.log_softmax, [x], {"axis": 1})
    np.testing.assert_allclose(y, np.log(expected), **anywhere.close)


@pytest.mark.parametrize("row", [[1e4, 0.0, -1e4], [-math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0]])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extremes_equals_pytorch_without_a_warning(place, torch, name, row):
    compare(place, getattr(ops, name), lambda x: getattr(torch, name)(x, 1), [np.array([row])], {"axis": 1}, gradients=False)


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


@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax", "log_softmax"])
def test_nothing_is_saved_where_nothing_is_needed(place, rng, name):
    attrs = ELEMENTWISE[name][0] if name in ELEMENTWISE else {"axis": 0}
    with place.tables():
        assert getattr(ops, name)(place.array(rng.normal(size=(3, 2))), needs=[False], **attrs)[1] is None


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "softmax"])
def test_channels_that_lie_last_in_memory_stay_there(name, rng):
    attrs = {"negative_slope": 0.1} if name == "leaky_relu" else {"axis": 1} if name == "softmax" else {}
    x = rng.normal(size=(2, 4, 5, 3)).transpose(0, 3, 1, 2)
    (y,), backward = getattr(ops, name)(x, needs=[True], **attrs)
    assert y.strides == x.strides
    assert backward(y)[0].strides == x.strides


def test_integers_raise_naming_the_fix():
    with pytest.raises(TypeError, match=r"sigmoid needs floating-point numbers; got int64\. Convert with"):
        ops.sigmoid(np.arange(3))


def test_an_axis_that_is_not_there_raises():
    with pytest.raises(IndexError, match=r"softmax got axis 2 for an array of shape \(3, 4\)"):
        ops.softmax(np.zeros((3, 4)), axis=2)
