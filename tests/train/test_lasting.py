"""Data that do not last for all epochs are refused before the first one."""

import json

import numpy as np
import pytest

from cnnkit import evaluation, nn, random, tensor, train
from cnnkit.data import DataLoader, IterableDataset
from cnnkit.train.callbacks import Callback, Checkpoint, JSONLinesLogger

X, Y = np.ones((8, 1, 2, 2), "float32"), np.arange(8) % 3
BATCHES = [(tensor(X[:4]), tensor(Y[:4])), (tensor(X[4:]), tensor(Y[4:]))]


class Epochs(Callback):
    count = 0

    def on_train_epoch_start(self, run):
        self.count += 1


def fit(data=None, *callbacks, **settings):
    random.seed(0)
    return train.fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), (X, Y) if data is None else data,
                     progress=False, callbacks=callbacks, **{"epochs": 2} | settings)


def generator():
    return (batch for batch in BATCHES)


def used_up():
    batches = generator()
    assert list(batches)
    return batches


@pytest.mark.parametrize(("make", "message"), [
    (lambda: {"data": generator()}, "data is a generator, which can be gone through only once, and there"),
    (lambda: {"data": map(tuple, BATCHES)}, "data is a map"),
    (lambda: {"data": iter(BATCHES)}, "data is a list_iterator"),
    (lambda: {"data": DataLoader(iter(list(zip(X, Y))), 4)}, "data is a list_iterator"),
    (lambda: {"data": Rewinding()}, "data is a Rewinding, which can be gone through only once"),
    (lambda: {"validation": generator()}, "validation is a generator"),
    (lambda: {"data": used_up(), "epochs": 1}, "data holds no batch: the generator is used up"),
    (lambda: {"validation": used_up(), "epochs": 1}, "validation holds no batch: the generator is used up"),
    (lambda: {"validation": Counted([])}, "validation holds no batch: its length is 0"),
])
def test_data_that_serve_once_are_refused_before_the_first_epoch(make, message):
    epochs = Epochs()
    with pytest.raises(ValueError, match=message):
        fit(make().pop("data", None), epochs, **{k: v for k, v in make().items() if k != "data"})
    assert epochs.count == 0


class Counted:
    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


class Rewinding(IterableDataset):
    """A stream that is its own iterator, which `DataLoader` takes for one epoch."""

    def __iter__(self):
        self.samples = iter(zip(X, Y))
        return self

    def __next__(self):
        return next(self.samples)


class RewindingBatches:
    def __iter__(self):
        self.batches = iter(BATCHES)
        return self

    def __next__(self):
        return next(self.batches)


def test_what_begins_anew_is_taken():
    assert len(fit(Counted(BATCHES), validation=Counted(BATCHES))) == 2
    assert len(fit(Rewinding(), validation=Rewinding(), epochs=1)) == 1
    assert len(fit(RewindingBatches(), validation=RewindingBatches())) == 2
    assert len(fit(generator(), validation=generator(), epochs=1)) == 1


def test_one_iterator_behind_an_own_class_is_refused_when_it_is_used_up():
    class Hidden:
        def __init__(self):
            self.batches = generator()

        def __iter__(self):
            return self.batches

    with pytest.raises(ValueError, match="no batch in epoch 2: an iterator can be gone through only once"):
        fit(Hidden())
    with pytest.raises(ValueError, match=r"hold no batch.*only once"):
        fit(validation=Hidden())
    with pytest.raises(ValueError, match="hold no batch"):
        evaluation.evaluate(nn.Identity(), used_up())


def test_checkpoints_of_an_earlier_run_outlive_a_run_that_is_refused(tmp_path):
    fit(None, Checkpoint(tmp_path))
    files = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="only once"):
        fit(generator(), Checkpoint(tmp_path, overwrite=True))
    assert sorted(tmp_path.iterdir()) == files


def test_lines_of_json_have_null_for_what_is_no_finite_number(tmp_path):
    class Odd(evaluation.metrics.Metric):
        def update(self, output, target): ...
        def reset(self): ...
        def compute(self):
            return [float("nan"), np.float32("inf"), np.int64(3)]

    def refuse(constant):
        raise ValueError(constant)

    log = tmp_path / "log"
    fit(None, JSONLinesLogger(log), validation=(X, Y), metrics={"odd": Odd()})
    rows = [json.loads(line, parse_constant=refuse) for line in log.read_text().splitlines()]
    assert [row["val_odd"] for row in rows] == [[None, None, 3]] * 2
