"""States that are not what they should be: the error names the part, whatever is wrong with it."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, optim, random, train
from cnnkit.data import DataLoader, datasets
from cnnkit.storage import FormatError
from cnnkit.train import checkpoints, schema
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor


class Pause(Callback):
    def on_train_batch_end(self, run):
        if run.step == 3:
            run.pause("for the test")


def fit(folder, resume=False, callbacks=(), epochs=2):
    random.seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    loader = DataLoader(cnnkit.data.Subset(datasets.digits(), range(32)), 16, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters(), 0.01)
    return train.fit(model, loader, epochs=epochs, optimizer=optimizer, ema=0.5, progress=False,
                     resume=resume, scheduler=optim.lr_scheduler.ReduceLROnPlateau(optimizer),
                     callbacks=[EarlyStopping("loss"), LearningRateMonitor(), *callbacks])


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    fit(folder, callbacks=[Checkpoint(folder), Pause()])
    return checkpoints.newest(folder).state


def places(tree, path=()):
    """Every place in a state, as a path of keys."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(tree, path):
    for key in path[:-1]:
        tree = tree[key]
    return tree


WRONG = [None, -1, 10**9, "x", [], [1], {}, {"x": 1}, True, float("nan"),
         cnnkit.tensor(np.zeros((3, 3), np.float32))]


@pytest.mark.filterwarnings("ignore::cnnkit.train.checkpoints.CheckpointWarning")  # of the run's identity
def test_whatever_is_changed_is_accepted_or_one_error(state):
    accepted = refused = 0
    for n, path in enumerate(places(state)):
        for change in (None, WRONG[n % len(WRONG)]):
            crafted = copy.deepcopy(state)
            inner = at(crafted, path)
            if change is None:
                del inner[path[-1]]
            else:
                inner[path[-1]] = change
            try:
                fit(None, resume=crafted)
                accepted += 1
            except ValueError:  # FormatError, or another model, data or setting than the run's
                refused += 1
            except FloatingPointError:  # the weights or rates themselves
                accepted += 1
    assert refused > 100
    assert accepted > 3


@pytest.mark.parametrize(("path", "value", "message"), [
    (("epoch",), -1, r"the checkpoint's state.epoch must be a whole number, 0 or more, not -1"),
    (("batch",), 10**9, "has done 1000000000 batches of an epoch that has 2"),
    (("tally",), [1, 2, 3, 4, 5, 6], "state.tally must have 5 entries, not 6"),
    (("model",), [], "state.model must be a mapping by name, not a list"),
    (("history",), [{"epoch": 1, "loss": 1.0, "accuracy": None, "images_per_second": 1.0, "seconds": 1.0,
                     "new": 1}], r"state.history\[0\] has 'new', which is not known here"),
    (("loader", "key"), [1], "checkpoint's loader cannot be restored: .*key must be a pair"),
    (("optimizer", "state", "state", 0, "exp_avg"), None, "optimizer cannot be restored: .*no 'exp_avg'"),
    (("scheduler", "state", "step"), 1, "scheduler cannot be restored: .*cannot have 'step'"),
    (("scheduler", "state", "_last_lr"), [], "scheduler cannot be restored: _last_lr must have a rate"),
    (("callbacks", "EarlyStopping", "weights"), 3, "EarlyStopping cannot be restored: state.weights"),
    (("callbacks", "EarlyStopping", "monitor"), 3, "EarlyStopping cannot be restored: state has 'monitor'"),
    (("random", "seed"), "a", "state.random.seed must be a whole number"),
    (("ema",), {"other": cnnkit.tensor([1.0])}, "ema. cannot be restored: KeyError: 'other'")])
def test_the_error_names_the_part(state, path, value, message):
    crafted = copy.deepcopy(state)
    at(crafted, path)[path[-1]] = value
    with pytest.raises(FormatError, match=message):
        fit(None, resume=crafted)


@pytest.mark.parametrize("outline", [{"a": {"$tensor": "none", "order": []}}, {"a": {"$items": 3}}, [],
                                     {"a": {"$float": "x"}}, {"a": {"$items": [[[], 1]]}},
                                     {"a": {"$tensor": "w", "order": [0, 0]}},
                                     {"a": {"$tensor": "w", "order": 1}}])
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(tmp_path, outline, monkeypatch):
    monkeypatch.setattr(checkpoints, "split", lambda state: (outline, {"w": cnnkit.tensor([[1.0]])}))
    path = checkpoints.write(tmp_path, 1, {})
    with pytest.raises(FormatError, match=r"checkpoint-000001\.json holds no state"):
        checkpoints.read(path)


def test_like_takes_what_has_the_kinds_of_an_example():
    example = {"best": 1.0, "none": None, "rates": [0.1, 0.2], "on": True, "deep": [{"name": "a"}]}
    schema.check({**example, "best": 3, "none": [], "more": 1}, schema.like(example), "s")
    for name, value, message in (("best", "a", "s.best must be a number"),
                                 ("on", 1, "s.on must be true or false"),
                                 ("deep", [{"name": 1}], r"s.deep\[0\].name must be text"),
                                 ("deep", [], "s.deep must have 1 entries")):
        with pytest.raises(FormatError, match=message):
            schema.check({**example, name: value}, schema.like(example), "s")
