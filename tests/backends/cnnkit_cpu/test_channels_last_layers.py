"""Layers between convolutions, on channels last in memory: norms, pooling, sums, copies."""


import numpy as np
import pytest
from chains import chain
from cnnkit_cpu import choice, layout, library

from cnnkit import backends
from cnnkit.ops.core import OPS, compose


def images(shape, seed=0):
    """Normal numbers whose channels lie last in memory."""
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return layout.to_channels_last(array)


@pytest.mark.parametrize("channels", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [(1, 2), (3, 7), (33, 129)])
def test_images_of_few_channels_are_brought_to_channels_last(channels, size):
    x = np.random.default_rng(0).standard_normal((2, channels, *size), dtype=np.float32)
    moved = layout.to_channels_last(x)
    np.testing.assert_array_equal(moved, x)
    assert layout.is_channels_last(moved)


SHAPES = [(3, 64, 5, 7), (2, 17, 6, 4), (300, 5, 2, 2), (1, 80, 3, 1)]


def both(op, arrays, needs, shape, **attrs):
    """Outputs and gradients of an op's kernel, and of its generic body in float64."""
    outputs, backward = op(*arrays, needs=needs, **attrs)
    with backends.tables():
        exact, backward64 = op(*(None if a is None else a.astype(np.float64) for a in arrays),
                               needs=needs, **attrs)
    dy = images(exact[0].shape, 9)
    return (outputs[0], *backward(dy)), (exact[0], *backward64(dy.astype(np.float64)))


def close(got, expected, tolerance=2e-5):
    for a, b in zip(got, expected):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_channels_that_lie_last(forced, shape, training):
    x, rng, C = images(shape), np.random.default_rng(4), shape[1]
    w, b = rng.standard_normal((2, C), np.float32)
    mean, var = np.zeros(C, np.float32), np.ones(C, np.float32)
    assert layout.is_channels_last(x)
    got, expected = both(OPS["batch_norm"], (x * 3 + 20, w, b, mean, var), (True, True, True, False, False),
                         shape, training=training, momentum=0.1, eps=1e-5)
    close(got[:2], expected[:2], 1e-4)
    close(got[2:4], expected[2:4], 1e-4)
    assert layout.is_channels_last(got[0])
    assert layout.is_channels_last(got[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_end_of_a_residual_block_is_one_kernel(forced, shape):
    rng, C = np.random.default_rng(4), shape[1]
    parameters = [*rng.standard_normal((2, C), np.float32), np.zeros(C, np.float32), np.ones(C, np.float32)]
    attrs = [{"training": True, "momentum": 0.1, "eps": 1e-5}, {}, {}]
    needs = (True, True, True, False, False, True)
    arrays = [images(shape), *parameters, images(shape, 7)]
    calls = chain(("batch_norm", "add", "relu"), attrs)
    kernel, = backends.get("numpy").resolve().of_chain([call.op for call in calls])
    outputs, backward = kernel(*arrays, needs=needs, calls=calls)
    exact, backward64 = compose(calls, [a.astype(np.float64) for a in arrays], needs)
    dy = images(shape, 9)
    close(outputs, exact, 1e-4)
    close(backward(dy), backward64(dy.astype(np.float64)), 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "stride", "padding", "dilation", "ceil_mode"), [
    (2, 2, 0, 1, False), (3, 2, 1, 1, False), (2, 3, 0, 1, False), (2, 1, 1, 1, False),
    (2, 2, 0, 1, True), (1, 2, 0, 1, False)])
def test_pooling_of_channels_that_lie_last(forced, shape, size, stride, padding, dilation, ceil_mode):
    if min(shape[2:]) + 2 * padding < size:
        pytest.skip("the window is larger than the image")
    x = np.round(images(shape) * 4) / 4  # with equal numbers: the first wins
    attrs = {"kernel_size": (size, size), "stride": (stride, stride), "padding": ((padding, padding),) * 2,
             "ceil_mode": ceil_mode}
    close(*both(OPS["max_pool"], (x,), (True,), shape, dilation=(dilation, dilation), **attrs),
          tolerance=1e-6)
    close(*both(OPS["avg_pool"], (x,), (True,), shape, count_include_pad=True,
                divisor_override=None, **attrs))


def test_max_pooling_of_channels_that_lie_last_keeps_nan_and_infinity(forced):
    x = images((2, 20, 4, 4))
    x[0, 3, 1, 1], x[1, 17, 0, 0], x[1, 2, 2:, 2:] = np.nan, np.inf, -np.inf
    attrs = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0),) * 2, "ceil_mode": False}
    got, expected = both(OPS["max_pool"], (x,), (True,), x.shape, dilation=(1, 1), **attrs)
    for a, b in zip(got, expected):
        np.testing.assert_array_equal(a, b)


def test_relu_and_add_keep_the_order_of_memory(forced):
    x, y = (images((4, 24, 16, 16)),
            np.random.default_rng(5).standard_normal((4, 24, 16, 16), dtype=np.float32))
    got, expected = both(OPS["relu"], (x,), (True,), x.shape)
    close(got, expected, 0)
    (z,), backward = OPS["add"](x, y, needs=(True, True))
    assert np.array_equal(z, x + y)
    assert backward(x)[0] is x
    assert all(map(layout.is_channels_last, (z, *got)))


def test_copies_count_where_the_channels_do_not_lie_last():
    x, w = (64, 8, 32, 32), (16, 8, 3, 3)
    assert choice.algorithms(x, w, padding=1) == ("flat",) * 3
    assert "flat" not in choice.algorithms(x, w, padding=1, channels_last=True)
    a, w = np.ones(x, np.float32), np.ones(w, np.float32)
    conv = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    for array, channels_last in ((a, False), (layout.to_channels_last(a), True)):
        (y,), _ = OPS["conv"](array, w, None, needs=(False,) * 3, **conv)
        assert layout.is_channels_last(y) == channels_last


@pytest.mark.parametrize("shape", [(5, 24, 7, 6), (1, 3, 2, 1), (64, 16, 9, 20)])
def test_flatten_copies_channels_that_lie_last_into_c_order(forced, shape):
    x = images(shape)
    (y,), backward = OPS["reshape"](x, needs=(True,), shape=(shape[0], -1))
    assert np.array_equal(y, np.asarray(x).reshape(shape[0], -1))
    assert y.flags.c_contiguous
    assert np.array_equal(backward(y)[0], x)
    assert backward(y)[0].flags.c_contiguous


def test_reshape_is_a_view_where_memory_allows_one():
    x = images((4, 24, 7, 6))
    for array, shape in ((x, (4, 24, 42)), (np.ascontiguousarray(x), (4, -1)), (x[:1], (24, 42))):
        (y,), _ = OPS["reshape"](array, needs=(False,), shape=shape)
        assert np.shares_memory(y, array)


@pytest.mark.parametrize("value", [3.3, 100.1, 10000.1])
def test_constant_channels_are_normalised_to_nothing(forced, value):
    x = layout.to_channels_last(np.full((64, 33, 8, 8), value, np.float32))
    (y, *_), _ = OPS["batch_norm"](x, None, None, None, None, needs=(True,) + (False,) * 4,
                                   training=True, momentum=0.1, eps=1e-5)
    assert np.abs(y).max() == 0


@pytest.mark.parametrize("pixels", [(1, 20, 20), (5, 32, 31), (9, 40, 40)], ids=str)
def test_the_bits_of_batch_norm_do_not_depend_on_the_number_of_threads(forced, pixels, monkeypatch):
    N, H, W = pixels  # a span of pixels is a task; passes go forth and back over them
    rng, bits = np.random.default_rng(0), set()
    x, dy = (layout.to_channels_last(rng.standard_normal((N, 33, H, W), dtype=np.float32))
             for _ in range(2))
    weight, bias = rng.standard_normal((2, 33), dtype=np.float32)
    for threads in (1, 2, 3, 5, 64):
        monkeypatch.setattr(library, "threads", threads)
        (y, *_), backward = OPS["batch_norm"](x, weight, bias, None, None, needs=(True,) * 3 + (False,) * 2,
                                              training=True, momentum=0.1, eps=1e-5)
        bits.add((y.tobytes(), *(gradient.tobytes() for gradient in backward(dy)[:3])))
    assert len(bits) == 1
