"""Cross-entropy kernels: random settings beside float64, on rows and on maps in every memory layout."""

import numpy as np
import pytest
from cnnkit_cupy.launcher import contiguous
from layouts import LAYOUTS, compare

from cnnkit import backends
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


@pytest.mark.parametrize("seed", range(40))
def test_random_settings_give_the_results_of_float64(seed):
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]
    dtype, C = pick("float32", "float32", "float16"), pick(1, 2, 5, 32, 33, 70)
    shape, layout = pick(((pick(0, 1, 3, 17), C), "plain"),
                         ((pick(0, 1, 2), C, pick(1, 3), pick(1, 4, 5)), pick(*LAYOUTS)))
    attrs = {"reduction": pick("mean", "sum", "none"), "ignore_index": pick(-100, 0, C - 1),
             "label_smoothing": pick(0.0, 0.1, 1.0)}
    logits = (3 * rng.standard_normal(shape)).astype(dtype)
    target = rng.integers(0, C, (shape[0], *shape[2:])).astype(pick("int64", "int32"))
    weight = pick(None, (0.1 + rng.random(C)).astype(dtype))
    _, (dlogits, *_) = compare("cross_entropy", [logits, target, weight], [layout, "plain", "plain"], attrs,
                               dtype, needs=(True, False, False), scale=2)
    assert contiguous(dlogits, channels_last=len(shape) == 4)


def test_the_gradient_of_each_pixels_loss_may_have_any_strides():
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((2, 3, 4, 5)).astype(np.float32), rng.integers(0, 3, (2, 4, 5))
    emulator = backends.get("emulator")
    attrs = {"reduction": "none", "ignore_index": -100, "label_smoothing": 0.0}
    needs, dy = (True, False, False), rng.standard_normal((5, 4, 2)).astype(np.float32)
    with backends.use("emulator"):
        _, backward = OPS["cross_entropy"](emulator.asarray(logits), emulator.asarray(target),
                                           None, needs=needs, **attrs)
        actual, *_ = backward(emulator.asarray(dy).T)
    _, backward = OPS["cross_entropy"].generic(logits, target, None, needs=needs, **attrs)
    np.testing.assert_allclose(emulator.to_numpy(actual), backward(dy.T)[0], rtol=1e-5, atol=1e-6)


def test_an_ignored_pixel_has_no_gradient_where_that_of_its_loss_is_infinite():
    attrs = {"reduction": "none", "ignore_index": 1, "label_smoothing": 0.0}
    emulator = backends.get("emulator")
    arrays = [emulator.asarray(a) for a in (np.zeros((1, 2, 1, 2), np.float32), np.array([[[1, 0]]]))]
    with backends.use("emulator"):
        _, backward = OPS["cross_entropy"](*arrays, None, needs=(True, False, False), **attrs)
        dx, *_ = backward(emulator.asarray(np.array([[[np.inf, 2.0]]], np.float32)))
    assert emulator.to_numpy(dx).tolist() == [[[[0, -1]], [[0, 1]]]]
