"""NumPy's fused convolution, ReLU and max pooling: equal to the three ops in sequence, or declined."""

import numpy as np
import pytest
from chains import chain
from cnnkit_numpy import conv_relu_pool
from cnnkit_numpy.conv_relu_pool import conv2d_relu_max_pool2d

import cnnkit
from cnnkit import backends, nn
from cnnkit.ops.core import compose

CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1), "ceil_mode": False}
X, WEIGHT = (5, 1, 8, 10), (6, 1, 3, 3)
SERVED = {
    "common": (X, WEIGHT, {}, {}),
    "odd-size": ((5, 1, 9, 11), WEIGHT, {}, {}),
    "several-channels": ((5, 3, 8, 10), (8, 3, 3, 3), {}, {}),
    "windows-3x2": ((5, 1, 9, 10), WEIGHT, {}, {"kernel_size": (3, 2), "stride": (3, 2)}),
    "ceil-mode-that-adds-nothing": (X, WEIGHT, {}, {"ceil_mode": True}),
    "strided-dilated-asymmetric": ((5, 1, 17, 16), (6, 1, 3, 2),
                                   {"stride": (2, 1), "dilation": (1, 3), "padding": ((0, 1), (2, 0))}, {}),
    "groups": ((5, 4, 8, 10), (20, 2, 3, 2), {"groups": 2}, {}),
    "no-padding": (X, WEIGHT, {"padding": ((0, 0), (0, 0))}, {}),
    "batch-1": ((1, 1, 8, 10), WEIGHT, {}, {}),
}


def arrays(x, weight, dtype=np.float64, bias=True):
    rng = np.random.default_rng(0)
    return [rng.normal(size=x).astype(dtype), rng.normal(size=weight).astype(dtype),
            rng.normal(size=weight[:1]).astype(dtype) if bias else None]


def fused(inputs, conv, pool, needs=(False, True, True)):
    return conv2d_relu_max_pool2d(*inputs, needs=needs, calls=calls(conv, pool))


def calls(conv, pool):
    return chain(("conv", "relu", "max_pool"), (CONV | conv, {}, POOL | pool))


def separate(inputs, conv, pool):
    (y,), backward = compose(calls(conv, pool), inputs, [False, True, inputs[2] is not None])
    return y, backward


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", SERVED)
def test_equals_the_three_ops(case, bias):
    x, weight, conv, pool = SERVED[case]
    inputs = arrays(x, weight, bias=bias)
    y, backward = fused(inputs, conv, pool, (False, True, bias))
    expected, expected_backward = separate(inputs, conv, pool)
    assert np.any(y == 0)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)
    dy = np.random.default_rng(1).normal(size=y.shape)
    for actual, exact in zip(backward(dy), expected_backward(dy)):
        if exact is None:
            assert actual is None
        else:
            np.testing.assert_allclose(actual, exact, rtol=1e-9, atol=1e-12)


def test_blocks_join_without_a_seam(monkeypatch):
    inputs = arrays(X, WEIGHT)
    y, backward = fused(inputs, {}, {})
    monkeypatch.setattr(conv_relu_pool, "BLOCK", 2 * 8 * 10 * 10 * 8)  # two images
    y2, backward2 = fused(inputs, {}, {})
    np.testing.assert_allclose(y2, y, rtol=1e-12)
    for a, b in zip(backward2(y)[1:], backward(y)[1:]):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_ties_go_to_the_first_and_what_relu_stopped_gets_nothing():
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = 3  # the first window ties, the others are 0 or below
    x[0, 0, 2:] = -1
    weight, bias = np.zeros((4, 1, 2, 2)), np.zeros(4)
    weight[:, 0, 0, 0] = 1
    conv = {"padding": ((0, 1), (0, 1))}
    y, backward = fused([x, weight, bias], conv, {})
    expected, expected_backward = separate([x, weight, bias], conv, {})
    np.testing.assert_array_equal(y, expected)
    dy = np.arange(1.0, 17).reshape(1, 4, 2, 2)
    for actual, exact in zip(backward(dy)[1:], expected_backward(dy)[1:]):
        np.testing.assert_array_equal(actual, exact)


@pytest.mark.parametrize("case", ["common", "several-channels"])
def test_results_are_contiguous_and_the_same_bits_whatever_the_layout_of_the_inputs(case):
    x, weight, conv, pool = SERVED[case]
    inputs = arrays(x, weight, np.float32)
    y, backward = fused(inputs, conv, pool)
    dy = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    turned = [np.ascontiguousarray(a.T).T for a in (*inputs, dy)]
    for a in turned:
        a.flags.writeable = False
    y2, backward2 = fused(turned[:3], conv, pool)
    for a, b in zip((y2, *backward2(turned[3])[1:]), (y, *backward(dy)[1:])):
        assert a.flags.c_contiguous
        assert a.dtype == np.float32
        assert a.tobytes() == b.tobytes()


def test_keeps_one_byte_for_each_window_and_nothing_where_no_gradient_is_wanted():
    y, backward = fused(arrays(X, WEIGHT), {}, {})
    kept, = [c.cell_contents for c in backward.__closure__ if isinstance(c.cell_contents, np.ndarray)]
    assert (kept.shape, kept.dtype) == ((*y.shape[:2], y.shape[2] * y.shape[3]), np.uint8)
    repeated, nothing = fused(arrays(X, WEIGHT), {}, {}, (False, False, False))
    assert nothing is None
    assert repeated.tobytes() == y.tobytes()


@pytest.mark.parametrize(("x", "weight", "conv", "pool", "needs"), [
    (X, WEIGHT, {}, {}, (True, True, True)),
    ((5, 8, 8, 10), (4, 8, 3, 3), {}, {}, (False, True, True)),
    (X, WEIGHT, {}, {"stride": (1, 1)}, (False, True, True)),
    (X, WEIGHT, {}, {"dilation": (2, 2)}, (False, True, True)),
    (X, WEIGHT, {}, {"padding": ((1, 1), (1, 1))}, (False, True, True)),
    ((5, 1, 9, 11), WEIGHT, {}, {"ceil_mode": True}, (False, True, True)),
    ((0, 1, 8, 10), WEIGHT, {}, {}, (False, True, True)),
])
def test_declines_what_the_single_kernels_do_better(x, weight, conv, pool, needs):
    assert fused(arrays(x, weight), conv, pool, needs) is NotImplemented


def test_declines_images_with_nan():
    inputs = arrays(X, WEIGHT)
    inputs[0][0, 0, 3, 3] = np.nan
    assert fused(inputs, {}, {}) is NotImplemented


def test_a_network_gives_the_same_loss_and_gradients_with_and_without_it(monkeypatch):
    runs = []
    forward = conv_relu_pool.Phases.forward
    monkeypatch.setattr(conv_relu_pool.Phases, "forward",
                        lambda self, keep: runs.append(keep) or forward(self, keep))
    cnnkit.random.seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(4 * 9, 3))
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(8, 1, 6, 6)).astype(np.float32))
    results = []
    for tables in (("numpy",), ()):
        model.zero_grad()
        with backends.tables(*tables):
            y = model(x)
            (y * y).sum().backward()
        results.append([y.numpy(), *(p.grad.numpy() for p in model.parameters())])
    assert runs == [True]
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
