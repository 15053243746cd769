"""Cross-entropy of images and of pixels, on each instruction set, against float64."""

import numpy as np
import pytest
from captured_steps import replayed
from cnnkit_cpu import layout, library, loss

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.ops.core import OPS

SETTINGS = {"ignore_index": -100, "label_smoothing": 0.0}
NEEDS = True, False, False


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(5, 1), (37, 10), (16, 64), (3, 65), (2, 3, 4, 5), (2, 64, 3, 3),
                                   (1, 70, 2, 3), (3, 6, 11), (9, 10, 40, 30)], ids=str)
def test_loss_and_gradient(forced, shape, reduction, monkeypatch):
    rng = np.random.default_rng(1)
    scores = rng.standard_normal(shape) * 5
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    exact, backward64 = OPS["cross_entropy"].generic(scores, labels, None, needs=NEEDS,
                                                     reduction=reduction, **SETTINGS)
    dy = rng.standard_normal(exact.shape)
    single, bits = scores.astype(np.float32), set()
    for threads in (1, 2, 3):
        monkeypatch.setattr(library, "threads", threads)
        for x in (single, layout.to_channels_last(single)) if len(shape) > 2 else (single,):
            y, backward = loss.cross_entropy(x, labels, None, needs=NEEDS, reduction=reduction, **SETTINGS)
            dx, *_ = backward(dy.astype(np.float32))
            bits.add((y.tobytes(), np.ascontiguousarray(dx).tobytes()))
    assert len(bits) == 1
    for got, expected in ((y, exact), (dx, backward64(dy)[0])):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=3e-6, atol=3e-6 * np.abs(expected).max())


def test_numbers_that_are_not_finite_stay_with_their_sample(forced):
    x = np.zeros((20, 5), np.float32)
    x[3, 2], x[4, 1], x[17, 0] = np.nan, np.inf, -np.inf
    y, backward = loss.cross_entropy(x, np.zeros(20, int), None, needs=NEEDS, reduction="none", **SETTINGS)
    dx, *_ = backward(np.ones(20, np.float32))
    assert [*np.flatnonzero(~np.isfinite(y))] == [3, 4, 17]
    assert [*np.flatnonzero(np.isnan(dx).any(1))] == [3, 4]
    assert dx[17, 0] == -1


def test_a_label_of_a_pixel_that_is_none_is_named():
    x = layout.to_channels_last(np.zeros((2, 3, 2, 2), np.float32))
    labels = np.zeros((2, 2, 2), int)
    labels[1, 0, 1] = 3
    with pytest.raises(ValueError, match=r"label 3 at position \(1, 0, 1\)"):
        F.cross_entropy(cnnkit.tensor(x), cnnkit.tensor(labels))


@replayed
def test_a_captured_step_that_classifies_pixels_is_c_alone():
    model = nn.Conv2d(3, 20, 3, padding=1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        value = F.cross_entropy(model(x), y)
        value.backward()
        optimizer.step()
        return value
    fast_step = cnnkit.capture(step)
    x, y = cnnkit.randn(2, 3, 8, 8), cnnkit.zeros(2, 8, 8, dtype=cnnkit.int64)
    for _ in range(4):
        fast_step(x, y)
    assert (fast_step.replays, fast_step.plans[0].thunks) == (1, [])
