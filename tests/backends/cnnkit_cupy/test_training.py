"""A whole training on the emulator: the host code of every kernel at work, beside NumPy."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, models, nn, optim, random, train
from cnnkit import functional as F
from cnnkit.data import DataLoader, datasets
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


def trained(name):
    """One epoch of the guide's common CNN with dropout: initial weights, labels, masks, loss, accuracy."""
    with cnnkit.use(name):
        random.seed(0)
        common, labels = models.CommonCNN((1, 8, 8)), []
        model = nn.Sequential(*common.features.children(), *list(common.classifier.children())[:-1],
                              nn.Dropout(0.5), list(common.classifier.children())[-1])
        weights = [np.asarray(p).tobytes() for p in model.parameters()]
        optimizer, masks = optim.Adam(model.parameters(), lr=5e-3), []
        dropout = next(layer for layer in model.children() if isinstance(layer, nn.Dropout))
        dropout.register_forward_hook(lambda layer, inputs,
                                      y: masks.append((inputs[0].numpy() != 0, y.numpy() != 0)))
        total = 0.0
        for x, y in DataLoader(datasets.digits(train=True), batch_size=32, shuffle=True, seed=0):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            labels += y.tolist()
            total += loss.item() * len(y)
        steps = len(masks)  # the evaluation has none
        accuracy = train.evaluate(model, datasets.digits(train=False)).accuracy
        return weights, labels, masks[:steps], total / len(labels), accuracy


@pytest.mark.heavy
def test_an_epoch_on_digits_gives_numpys_loss_and_accuracy_from_the_same_weights_order_and_masks():
    weights, labels, masks, loss, accuracy = trained("emulator")
    right_weights, right_labels, right_masks, right_loss, right_accuracy = trained("numpy")
    assert weights == right_weights
    assert labels == right_labels
    assert len(masks) == len(right_masks) == -(-len(labels) // 32)
    # a mask shows where the ReLU lets something through
    for (alive, kept), (right_alive, right_kept) in zip(masks, right_masks):
        shown = alive & right_alive
        assert shown.mean() > 0.1
        np.testing.assert_array_equal(kept[shown], right_kept[shown])
    assert loss == pytest.approx(right_loss, rel=1e-2)
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

    emulator, x = (backends.get("emulator"),
                   np.random.default_rng(0).standard_normal((2, 3, 7, 5)).astype(np.float32))
    attrs = {"kernel_size": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 1)), "ceil_mode": False}
    results = []
    for limit in (pool.LIMIT, 1):
        monkeypatch.setattr(pool, "LIMIT", limit)
        for op, more in (("max_pool_with_indices", {"dilation": (1, 2)}),
                         ("avg_pool", {"count_include_pad": False, "divisor_override": None})):
            with backends.use("emulator"):
                outputs, backward = OPS[op](emulator.asarray(x), needs=(True,), **attrs, **more)
                results.append([emulator.to_numpy(a).tobytes() for a in (*outputs, *backward(outputs[0]))])
    assert results[:2] == results[2:]
