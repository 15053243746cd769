"""NumPy's convolution kernel: its blocks and layouts; tests/ops/test_conv.py checks its numbers."""

import numpy as np
import pytest
from cnnkit_numpy import window
from cnnkit_numpy.conv import conv2d

from cnnkit.ops.conv import conv as op

SAME = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
SHAPES = [((7, 5, 16, 18), (3, 5, 3, 3), SAME),  # wide columns
          ((7, 5, 16, 18), (3, 5, 3, 3), SAME | {"padding": ((0, 0), (0, 0))}),
          ((7, 1, 9, 8), (8, 1, 3, 3), SAME),  # not wide
          ((7, 4, 9, 8), (6, 2, 2, 3), SAME | {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "groups": 2}),
          ((7, 8, 6, 5), (4, 8, 1, 1), SAME | {"padding": ((0, 0), (0, 0))})]


def arrays(x, weight, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype(dtype) for s in (x, weight, weight[:1])]


def everything(function, inputs, attrs, dy=None):
    y, backward = function(*inputs, needs=(True, True, True), **attrs)
    dy = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype) if dy is None else dy
    return [y, *backward(dy)]


@pytest.mark.parametrize(("x", "weight", "attrs"), SHAPES)
@pytest.mark.parametrize("images", [1, 2, 3])
def test_blocks_join_without_a_seam(monkeypatch, x, weight, attrs, images):
    inputs = arrays(x, weight)
    expected = everything(op.generic, inputs, attrs)
    original_init = window.Windows.__init__

    def init(self, *args):
        original_init(self, *args)
        self.step = images

    monkeypatch.setattr(window.Windows, "__init__", init)
    results = everything(conv2d, inputs, attrs)
    for a, b in zip(results, expected):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("x", "weight", "attrs"), SHAPES)
def test_serves_both_float_types_and_keeps_them(x, weight, attrs):
    for dtype in (np.float32, np.float64):
        results = everything(conv2d, arrays(x, weight, dtype), attrs)
        expected = everything(op.generic, arrays(x, weight), attrs)
        for a, b in zip(results, expected):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("x", "weight", "attrs"), SHAPES)
def test_results_are_contiguous_and_the_same_bits_whatever_the_layout_of_the_inputs(x, weight, attrs):
    inputs = arrays(x, weight, np.float32)
    expected = everything(conv2d, inputs, attrs)
    dy = np.random.default_rng(1).normal(size=expected[0].shape).astype(np.float32)
    channels_last = [np.ascontiguousarray(np.moveaxis(a, 1, -1)) if a.ndim == 4 else a for a in (*inputs, dy)]
    *turned, dy = [np.moveaxis(a, -1, 1) if a.ndim == 4 else a for a in channels_last]
    backwards = [np.ascontiguousarray(a[..., ::-1])[..., ::-1] for a in inputs]
    for other, d in ((turned, dy), (backwards, dy), (inputs, np.ascontiguousarray(dy))):
        for a in (*other, d):
            a.flags.writeable = False
        for a, b in zip(everything(conv2d, other, attrs, d), expected):
            assert a.tobytes() == b.tobytes()
            assert a.flags.c_contiguous


@pytest.mark.parametrize(("dtype", "batch"), [(np.float16, 2), (np.float32, 0)])
def test_leaves_half_precision_and_empty_batches_to_the_generic_op(dtype, batch):
    x, weight, bias = arrays((batch, 3, 5, 5), (2, 3, 3, 3), dtype)
    assert conv2d(x, weight, bias, needs=(False,) * 3, **SAME) is NotImplemented


def test_results_do_not_share_memory_with_each_other_or_the_inputs():
    inputs = arrays(*SHAPES[-1][:2])
    y, backward = conv2d(*inputs, needs=(True, True, True), **SHAPES[-1][2])
    first, second = backward(y), backward(y)
    for n, a in enumerate((y, *first, *second)):
        for b in (*inputs, y, *first, *second)[: 3 + n]:
            assert not np.shares_memory(a, b)
