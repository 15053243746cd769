"""Short runs that begin alike, may be paused, and are compared; for tests of resuming and of checkpoints."""

import numpy as np

from cnnkit import nn, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Callback

LEARN = Subset(datasets.digits(train=True), range(160))
HELD_OUT = Subset(datasets.digits(train=False), range(40))


class AtStep(Callback):
    """Pause the run, or do something else, after update `step`."""

    def __init__(self, step, action=lambda run: run.pause("for the test")):
        self.step, self.action = step, action

    def on_train_batch_end(self, run):
        if run.step == self.step:
            self.action(run)


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 10))


def run(callbacks=(), resume=False, epochs=3, seed=5, model=None, **settings):
    """Train from a fixed beginning; the weights and the figures that do not depend on the clock."""
    random.seed(seed)
    model = network() if model is None else model
    settings = {"batch_size": 16, "lr": 0.01, "validation": HELD_OUT, "progress": False} | settings
    history = train.fit(model, LEARN, epochs=epochs, callbacks=callbacks, resume=resume, **settings)
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
            for row in history.as_dicts()]
    return {n: v.numpy() for n, v in model.state_dict().items()}, rows, random.get_state()


def assert_same(a, b):
    for name, value in a[0].items():
        np.testing.assert_array_equal(value, b[0][name], err_msg=name)
    assert a[1:] == b[1:]
