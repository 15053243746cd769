"""A whole training on the emulator: the host code of every kernel at work, beside NumPy."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, random, train
from cnnkit.data import datasets
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


def trained(name):
    with cnnkit.use(name):
        random.seed(0)
        model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1),
                              nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
        weights = [np.asarray(p).tobytes() for p in model.parameters()]
        loss = train.fit(model, datasets.digits(train=True), epochs=1, progress=False)["loss"]
        return weights, loss[0], train.evaluate(model, datasets.digits(train=False)).accuracy


def test_an_epoch_on_digits_gives_numpys_loss_and_accuracy_from_the_same_weights():
    weights, loss, accuracy = trained("emulator")
    right_weights, right_loss, right_accuracy = trained("numpy")
    assert weights == right_weights
    assert loss == pytest.approx(right_loss, rel=1e-4)
    assert accuracy == pytest.approx(right_accuracy, abs=0.01)


@pytest.mark.parametrize("shape", [(5,), (3, 1), (2, 3, 5, 7), ()])
def test_dropout_keeps_the_same_elements_as_numpy(shape):
    x, results = np.full(shape, 0.3, np.float32), []
    for name in ("emulator", "numpy"):
        with cnnkit.use(name) as backend:
            (y,), _ = OPS["dropout"](backend.asarray(x), p=0.4, key=(7, 2**32 - 5))
            results.append(backend.to_numpy(y))
    np.testing.assert_array_equal(*results)


def test_elements_are_numbered_by_long_long_where_int_is_too_small(monkeypatch):
    from cnnkit_cupy import pool

    emulator, x = backends.get("emulator"), np.random.default_rng(0).standard_normal((2, 3, 7, 5)).astype(np.float32)
    attrs = {"kernel_size": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 1)), "ceil_mode": False}
    results = []
    for limit in (pool.LIMIT, 1):
        monkeypatch.setattr(pool, "LIMIT", limit)
        for op, more in (("max_pool2d_with_indices", {"dilation": (1, 2)}),
                         ("avg_pool2d", {"count_include_pad": False, "divisor_override": None})):
            with backends.use("emulator"):
                outputs, backward = OPS[op](emulator.asarray(x), needs=(True,), **attrs, **more)
                results.append([emulator.to_numpy(a).tobytes() for a in (*outputs, *backward(outputs[0]))])
    assert results[:2] == results[2:]
