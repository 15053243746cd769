"""Batch normalisation folded into the filters before it: the same numbers, where and only where it may be."""

import numpy as np
import pytest
from chains import chain

import cnnkit
from cnnkit import backends, nn
from cnnkit.backends.state import local
from cnnkit.ops.core import compose
from cnnkit.ops.folding import fold_norm

CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
NORM = {"training": False, "momentum": 0.1, "eps": 1e-3}


def arrays(dtype=np.float64, bias=True, affine=True, images=4):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)
    return [draw(images, 3, 6, 5), draw(4, 3, 3, 3), draw(4) if bias else None,
            *((draw(4), draw(4)) if affine else (None, None)), draw(4), np.abs(draw(4)) + dtype(0.5)]


def folded(inputs, norm=NORM, needs=(False,) * 7, names=("conv", "batch_norm", "relu")):
    return fold_norm(*inputs, needs=needs, calls=chain(names, (CONV, norm, *[{}] * (len(names) - 2))))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("names", [("conv", "batch_norm"), ("conv", "batch_norm", "relu"),
                                   ("conv", "batch_norm", "silu")])
def test_equals_the_ops_one_by_one(bias, affine, names):
    inputs = arrays(bias=bias, affine=affine)
    (y, mean, var), backward = folded(inputs, names=names)
    right, _ = compose(chain(names, (CONV, NORM, *[{}] * (len(names) - 2))), inputs, (False,) * 7)
    np.testing.assert_allclose(y, right[0], rtol=1e-12, atol=1e-13)
    assert (mean, var, backward) == (None, None, None)


@pytest.mark.parametrize(("changed", "reason"), [
    ({"norm": {**NORM, "training": True}}, "in evaluation"),
    ({"needs": (False, True, *[False] * 5)}, "no gradient is wanted"),
    ({"inputs": arrays(np.float16)}, "float16"),
    ({"inputs": [np.ones((1, 3, 6, 5)), np.ones((4, 3, 5, 5)), *arrays()[2:]]}, "too few pixels")])
def test_declines_and_says_why(changed, reason):
    changed = dict(changed)
    assert folded(changed.pop("inputs", arrays()), **changed) is NotImplemented
    assert reason in local.declined


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("parameter", [3, 4, 5])
def test_channels_that_are_not_finite_are_folded_only_where_nobody_looks(parameter):
    inputs = arrays()
    inputs[parameter][1] = np.inf
    assert folded(inputs) is NotImplemented
    assert "not finite" in local.declined
    calls = chain(("conv", "batch_norm"), (CONV, NORM))
    (y, *_), _ = fold_norm(*inputs, needs=(False,) * 7, calls=calls, read=False)
    right, _ = compose(calls, inputs, (False,) * 7)
    np.testing.assert_allclose(y[:, [0, 2, 3]], right[0][:, [0, 2, 3]], rtol=1e-12, atol=1e-13)
    assert not np.isfinite(y[:, 1]).any()


def test_strict_precision_folds_nothing():
    with cnnkit.precision("strict"):
        assert folded(arrays()) is NotImplemented


def test_a_model_in_evaluation_keeps_its_weights_and_statistics_and_gives_the_same_scores():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(64, 3))
    x = cnnkit.tensor(np.random.default_rng(1).standard_normal((16, 1, 8, 8)).astype(np.float32))
    model(x)
    model.eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    with cnnkit.no_grad():
        scores = model(x).numpy()
        with backends.tables():
            right = model(x).numpy()
    np.testing.assert_allclose(scores, right, rtol=1e-4, atol=1e-5)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
