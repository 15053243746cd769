"""A run with the same seed repeats to the bit on each backend, and all backends draw the same bits."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Callback

LEARN = Subset(datasets.digits(train=True), range(80))
HELD_OUT = Subset(datasets.digits(train=False), range(20))


class Draws(Callback):
    """Keeps what was drawn: initial weights, augmented images and labels in their order, dropout's masks."""

    def __init__(self):
        self.drawn = {}

    def on_train_start(self, run):
        self.keep("initial weights", *(value.numpy().copy() for value in run.model.state_dict().values()))
        dropout = next(layer for layer in run.model.modules() if isinstance(layer, nn.Dropout))
        dropout.register_forward_hook(self.keep_mask)

    def keep_mask(self, layer, inputs, output):
        if layer.training:
            self.keep("masks", output.numpy() == 0)

    def on_before_optimizer_step(self, run):
        for images, labels in run.inputs:
            self.keep("augmented images", images.numpy())
            self.keep("mixed labels", labels.numpy())

    def keep(self, name, *arrays):
        self.drawn.setdefault(name, []).extend(arrays)


def run(name):
    """All that was drawn, the final weights, and the history."""
    with cnnkit.use(name):
        random.seed(13)
        model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Conv2d(4, 6, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(24, 10))
        draws = Draws()
        history = train.fit(model, LEARN, epochs=2, batch_size=16, lr=0.05, optimizer="sgd",
                            validation=HELD_OUT, augment="flip,crop=1,erase,cutmix", callbacks=[draws],
                            progress=False)
        weights = {name: [value.numpy().copy()] for name, value in model.state_dict().items()}
    return draws.drawn, weights, [history["loss"], history["val_loss"], history["accuracy"]]


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        for one, other in zip(a[name], b[name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.fixture(scope="module")
def on_numpy():
    return run("numpy")


@pytest.mark.parametrize("name", ["numpy", "cpu", "emulator"])
def test_a_run_repeats_to_the_bit_and_its_draws_are_those_of_numpy(name, on_numpy):
    if cnnkit.conformance.names().get(name) is not True:
        pytest.skip(f"{name} is not here")
    drawn, weights, figures = run(name)
    again = run(name)
    assert_equal(drawn, again[0])
    assert_equal(weights, again[1])
    assert figures == again[2]
    assert [len(drawn[kind]) for kind in ("augmented images", "mixed labels", "masks")] == [10, 10, 10]
    assert all(0.3 < mask.mean() < 0.7 for mask in drawn["masks"])
    assert_equal(drawn, on_numpy[0])
    for key, value in weights.items():  # sums are not in the same order
        np.testing.assert_allclose(value[0], on_numpy[1][key][0], rtol=1e-2, atol=1e-3, err_msg=key)
