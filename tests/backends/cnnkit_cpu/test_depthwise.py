"""Depthwise convolution with the channels last in memory, on each instruction set, against float64."""

import numpy as np
import pytest
from cnnkit_cpu import choice, layout, library

from cnnkit.ops.core import OPS

SIZES = [  # shape of the images, size of the filters, stride, padding, dilation
    ((2, 16, 9, 13), (3, 3), 1, 1, 1), ((3, 19, 8, 8), (3, 3), 2, 1, 1), ((1, 40, 5, 5), (3, 3), 1, 0, 1),
    ((2, 33, 12, 11), (5, 5), 1, 2, 1), ((2, 17, 13, 12), (5, 5), 2, 2, 1),
    ((1, 24, 14, 15), (7, 7), 1, 3, 1),
    ((1, 20, 9, 10), (7, 7), 2, 3, 1), ((2, 18, 11, 12), (3, 3), 1, 2, 2), ((2, 16, 7, 6), (2, 4), 3, 1, 1),
    ((1, 65, 3, 1), (3, 3), 1, 1, 1), ((2, 16, 4, 4), (1, 1), 2, 0, 1), ((1, 16, 6, 4), (3, 3), 1, 4, 1),
    ((20, 32, 6, 6), (3, 3), 1, 1, 1), ((1, 16, 2, 2), (3, 3), 2, 3, 3)]


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(("shape", "size", "stride", "padding", "dilation"), SIZES)
def test_result_and_gradients(forced, shape, size, stride, padding, dilation, last, monkeypatch):
    rng, C = np.random.default_rng(3), shape[1]
    window = {"stride": (stride,) * 2, "padding": ((padding,) * 2,) * 2, "dilation": (dilation,) * 2,
              "groups": C}
    names = choice.algorithms(shape, (C, 1, *size), stride, padding, dilation, C)
    assert names == ("depthwise",) * 3
    arrays = [rng.standard_normal(s) for s in (shape, (C, 1, *size), (C,))]
    (exact,), backward64 = OPS["conv"](*arrays, needs=(True,) * 3, **window)
    dy = rng.standard_normal(exact.shape)
    x, weight, bias, above = (a.astype(np.float32) for a in (*arrays, dy))
    if last:
        x, above = layout.to_channels_last(x), layout.to_channels_last(above)
    bits = []
    for threads in (1, 2):
        monkeypatch.setattr(library, "threads", threads)
        (y,), backward = OPS["conv"](x, weight, bias, needs=(True,) * 3, **window)
        results = (y, *backward(above))
        bits.append([a.tobytes() for a in results])
    assert bits[0] == bits[1]
    assert layout.is_channels_last(y) or 1 in y.shape[2:]
    for got, expected in zip(results, (exact, *backward64(dy))):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_numbers_that_are_not_finite_stay_in_their_channels(forced):
    x, weight = np.ones((2, 16, 6, 6), np.float32), np.ones((16, 1, 3, 3), np.float32)
    x[0, 3, 2, 2], x[1, 5, 0, 0] = np.nan, np.inf
    window = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 16}
    (y,), backward = OPS["conv"](x, weight, None, needs=(True, True, False), **window)
    exact, _ = OPS["conv"].generic(x, weight, None, needs=(True, True, False), **window)
    np.testing.assert_array_equal(y, exact)
    assert np.isnan(y).sum() == 9
    dx, dweight, _ = backward(np.ones_like(y))
    assert np.isfinite(dx).all()
    assert np.isfinite(np.delete(dweight, [3, 5], 0)).all()
