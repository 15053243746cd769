"""What follows a convolution within its kernel, by each algorithm, where nobody wants gradients."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cpu import choice, conv, folding, layout

from cnnkit.ops.core import OPS, compose

NORM = {"training": False, "momentum": 0.1, "eps": 1e-3}
NAMES = {"product": (2, 21, 9, 7), "winograd2": (2, 21, 9, 7), "winograd4": (2, 21, 9, 7),
         "depthwise": (2, 37, 9, 7), "flat": (2, 21, 9, 7)}
AFTER = {"nothing": None, "relu": {}, "hardtanh": {"min_val": -0.5, "max_val": 0.75}, "hardswish": {},
         "silu": {}, "leaky_relu": {"negative_slope": 0.1}, "gelu": {"approximate": "none"}}


def drawn(*shape):
    return np.random.default_rng(len(shape) + shape[0]).standard_normal(shape, dtype=np.float32)


def arrays(name, stride=1):
    """Images, filters, parameters of batch norm and an addend; and what the convolution is told."""
    x = drawn(*NAMES[name])
    weight = drawn(37, 1, 3, 3) if name == "depthwise" else drawn(45, 21, 3, 3)
    K, size = len(weight), [(n - 1) // stride + 1 for n in x.shape[2:]]
    attrs = {"stride": (stride, stride), "padding": ((1, 1), (1, 1)), "dilation": (1, 1),
             "groups": K if name == "depthwise" else 1}
    parameters = None, drawn(K), drawn(K, 1)[:, 0], drawn(K), np.abs(drawn(K)) + np.float32(0.5)
    return [layout.to_channels_last(x), weight, *parameters], drawn(len(x), K, *size), attrs


def both(name, activation, added, inputs, addend, attrs):
    """The kernel's result, and that of the ops in float64, one after the other."""
    names, settings = ["conv", "batch_norm"], [attrs, NORM]
    if added:
        inputs = [*inputs, addend]
        names, settings = [*names, "add"], [*settings, {}]
    if activation != "nothing":
        names, settings = [*names, activation], [*settings, AFTER[activation]]
    calls, needs = chain(names, settings), (False,) * len(inputs)
    with choice.algorithm(name):
        (y, mean, var), backward = folding.fold_norm(*inputs, needs=needs, calls=calls)
    assert mean is var is backward is None
    exact = [None if a is None else np.asarray(a, np.float64) for a in inputs]
    return y, compose(calls, exact, needs)[0][0]


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("activation", AFTER)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_ops_in_float64(forced, name, activation, added):
    y, right = both(name, activation, added, *arrays(name))
    np.testing.assert_allclose(y, right, rtol=2e-4, atol=2e-4 * np.abs(right).max())


def test_an_activation_without_a_function_in_c_comes_after():
    inputs, addend, attrs = arrays("product")
    calls = chain(("conv", "batch_norm", "add", "softsign"), (attrs, NORM, {}, {}))
    (y, *_), _ = folding.fold_norm(*inputs, addend, needs=(False,) * 8, calls=calls)
    np.testing.assert_allclose(y, compose(calls, [*inputs, addend], (False,) * 8)[0][0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["product", "depthwise"])
def test_with_stride_and_one_pixel(forced, name):
    y, right = both(name, "hardtanh", True, *arrays(name, stride=9))
    assert y.shape[2:] == (1, 1)
    np.testing.assert_allclose(y, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_an_addend_may_be_infinite_or_nan(forced, name):
    inputs, addend, attrs = arrays(name)
    addend[0, 3, 2, 1:4] = np.inf, -np.inf, np.nan
    y, _ = both(name, "hardtanh", True, inputs, addend, attrs)
    assert y[0, 3, 2, 1:3].tolist() == [0.75, -0.5]
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 3, 2, 3]]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_an_infinite_pixel_stays_in_its_windows(forced, name):
    inputs, addend, attrs = arrays(name)
    inputs[0][1, 5, 0, 0] = np.inf
    y, right = both(name, "leaky_relu", True, inputs, addend, attrs)
    assert not np.isfinite(y[1, :, :2, :2]).all()
    assert (np.isfinite(y) == np.isfinite(right)).all()


@pytest.mark.parametrize("name", ["product", "winograd2", "winograd4", "depthwise"])
def test_filters_that_are_packed_before_give_the_same_bits(forced, name):
    (x, weight, *_), _, attrs = arrays(name)
    with choice.algorithm(name):
        packed_before, _ = conv.conv2d(x, weight, None, needs=(False,) * 3, **attrs)
        packed_then, _ = conv.conv2d(x, weight, None, needs=(False, True, False), **attrs)
    assert packed_before.tobytes() == packed_then.tobytes()


@pytest.mark.parametrize("kernel_size", [(2, 2), (3, 3)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_a_pooling_that_marks_nothing_has_the_same_bits(forced, kernel_size, dilation):
    x = layout.to_channels_last(drawn(2, 21, 9, 8))
    x[0, 3, 2:4, 1:4] = np.nan, -np.inf, -0.0
    attrs = {"kernel_size": kernel_size, "stride": (2, 2), "padding": ((1, 0), (0, 1)), "dilation": dilation,
             "ceil_mode": False}
    (marked,), _ = OPS["max_pool"](x, needs=(True,), **attrs)
    (plain,), _ = OPS["max_pool"](x, needs=(False,), **attrs)
    assert plain.tobytes() == marked.tobytes()
