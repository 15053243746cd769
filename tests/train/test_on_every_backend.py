"""A training run is the same on every backend: weights, order and masks to the bit, losses in float32."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random
from cnnkit.data import DataLoader, Subset, datasets


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4),
                         nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Conv2d(4, 6, 3), nn.LeakyReLU(),
                         nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 10))


def run(steps=6):
    """Initial weights, the labels in the order they came, each step's loss, final weights."""
    random.seed(7)
    model = network()
    first = {n: v.numpy().copy() for n, v in model.state_dict().items()}
    # not Adam, which would amplify the noise of zero gradients
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loader = DataLoader(Subset(datasets.digits(train=True), range(16 * steps)),
                        batch_size=16, shuffle=True, seed=3)
    labels, losses = [], []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        labels += y.tolist()
        losses.append(loss.item())
    return first, labels, losses, {n: v.numpy() for n, v in model.eval().state_dict().items()}


@pytest.fixture(scope="module")
def on_numpy():
    with cnnkit.use("numpy"):
        return run()


def test_a_training_run_is_numpys(backend, on_numpy):
    first, labels, losses, last = run()
    for name, value in first.items():
        np.testing.assert_array_equal(value, on_numpy[0][name], err_msg=name)
    assert labels == on_numpy[1]
    assert losses == pytest.approx(on_numpy[2], rel=1e-4)
    for name, value in last.items():
        np.testing.assert_allclose(value, on_numpy[3][name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_dropout_masks_are_numpys_to_the_bit(backend):
    def mask():
        random.seed(5)
        return F.dropout(cnnkit.tensor(np.ones((7, 11), np.float32)), 0.3).numpy()

    computed = mask()
    with cnnkit.use("numpy"):
        np.testing.assert_array_equal(computed, mask())


def test_a_run_repeats_bit_for_bit(backend):
    a, b = run(2), run(2)
    assert a[2] == b[2]
    for name, value in a[3].items():
        np.testing.assert_array_equal(value, b[3][name], err_msg=name)
