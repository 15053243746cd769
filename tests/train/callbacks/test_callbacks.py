"""Callbacks: when their hooks are called, and what each one does; checkpoints are in test_resume.py."""

import copy
import csv
import json
import time

import numpy as np
import pytest

from cnnkit import functional as F
from cnnkit import models, nn, no_grad, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    JSONLinesLogger,
    LearningRateMonitor,
    StopOnNaN,
    TimeLimit,
)
from cnnkit.train.callbacks.callback import HOOKS
from cnnkit.train.callbacks.monitor import Monitor

LEARN = Subset(datasets.digits(train=True), range(64))
HELD_OUT = Subset(datasets.digits(train=False), range(32))


def small():
    return models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[16])


def fit(callbacks, model=None, data=LEARN, **settings):
    settings = {"epochs": 2, "validation": HELD_OUT, "progress": False, "seed": 0} | settings
    return train.fit(model or small(), data, callbacks=callbacks, **settings)


class Recorder(Callback):
    """Records the hooks as they are called."""

    def __init__(self):
        self.calls = []


for hook in HOOKS:
    setattr(Recorder, hook,
            lambda self, run, *more, hook=hook: self.calls.append((hook, run.epoch, run.batch, run.step)))


def test_hooks_are_called_in_their_order():
    recorder = Recorder()
    fit([recorder])
    assert recorder.calls == [
        ("on_train_start", 0, 0, 0),
        ("on_train_epoch_start", 0, 0, 0),
        ("on_before_optimizer_step", 0, 0, 0), ("on_train_batch_end", 0, 1, 1),
        ("on_before_optimizer_step", 0, 1, 1),
        ("on_train_batch_end", 0, 2, 2), ("on_train_epoch_end", 1, 0, 2),
        ("on_train_epoch_start", 1, 0, 2),
        ("on_before_optimizer_step", 1, 0, 2), ("on_train_batch_end", 1, 1, 3),
        ("on_before_optimizer_step", 1, 1, 3),
        ("on_train_batch_end", 1, 2, 4), ("on_train_epoch_end", 2, 0, 4),
        ("on_train_stop", 2, 0, 4), ("on_train_end", 2, 0, 4)]


def test_an_error_is_told_to_the_callbacks():
    class Raising(Callback):
        def on_train_batch_end(self, run):
            raise KeyError("x")

    recorder = Recorder()
    with pytest.raises(KeyError):
        fit([recorder, Raising()])
    assert recorder.calls[-1] == ("on_exception", 0, 1, 1)


def test_checkpoints_are_called_last(tmp_path):
    order = []

    class First(Checkpoint):
        def on_train_epoch_end(self, run):
            order.append("checkpoint")

    class Second(Callback):
        def on_train_epoch_end(self, run):
            order.append("other")

    fit([First(tmp_path), Second()], epochs=1)
    assert order == ["other", "checkpoint"]


def test_early_stopping_gives_back_the_best_weights():
    stopping, model = EarlyStopping("val_loss", patience=2), small()
    history = fit([stopping], model, epochs=30, lr=0.2)
    losses = history["val_loss"]
    assert len(history) == stopping.stopped_epoch == stopping.best_epoch + 2 < 30
    assert losses[stopping.best_epoch - 1] == min(losses) == stopping.best
    assert train.evaluate(model, HELD_OUT).loss == pytest.approx(min(losses))
    assert not history.interrupted


def test_early_stopping_can_leave_the_last_weights():
    model = small()
    history = fit([EarlyStopping("val_loss", patience=2, restore_best_weights=False)],
                  model, epochs=30, lr=0.2)
    assert train.evaluate(model, HELD_OUT).loss == pytest.approx(history[-1].val_loss)
    assert history[-1].val_loss > min(history["val_loss"])


def test_early_stopping_begins_anew_in_a_new_run():
    stopping = EarlyStopping("loss", patience=1, min_delta=9)
    assert [len(fit([stopping], epochs=5)) for _ in range(2)] == [2, 2]


def test_early_stopping_with_an_average_gives_back_the_best_average():
    stopping, model = EarlyStopping("val_loss", patience=2), small()
    fit([stopping], model, epochs=30, lr=0.2, ema=0.5)
    assert train.evaluate(model, HELD_OUT).loss == pytest.approx(stopping.best)


def test_loggers_write_what_the_history_says(tmp_path):
    logs = [CSVLogger(tmp_path / "deep" / "a.csv"), JSONLinesLogger(tmp_path / "a.jsonl")]
    history = fit(logs, metrics=["f1", "confusion_matrix"])
    with (tmp_path / "deep" / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_f1"]) for row in rows] == history["val_f1"]
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert ([json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
            == history.as_dicts())


def test_a_resumed_runs_log_is_that_of_a_whole_run(tmp_path):
    for epochs in (1, 3):
        history = fit([JSONLinesLogger(tmp_path / "a.jsonl"), Checkpoint(tmp_path / "c")],
                      epochs=epochs, resume=True)
    assert ([json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
            == history.as_dicts())
    assert len(history) == 3


def test_the_learning_rate_monitor_counts_updates_or_epochs():
    by_step, by_epoch = LearningRateMonitor(), LearningRateMonitor("epoch")
    fit([by_step, by_epoch], lr=0.04, scheduler="linear")
    assert by_step.rates == [[0, [0.04]], [1, [pytest.approx(0.03)]], [2, [pytest.approx(0.02)]],
                             [3, [pytest.approx(0.01)]]]
    assert [step for step, _ in by_epoch.rates] == [2, 4]


def test_a_time_limit_pauses_the_run(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    history = fit([TimeLimit(seconds=3)], epochs=9)  # the clock is read at the start and after each batch
    assert history.interrupted
    assert (len(history), history[-1].val_loss) == (2, None)


def with_weight(name, value):
    """A network whose layer `name` has this value in all its weights."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    with no_grad():
        model.get_submodule(name).weight.fill_(value)
    return model


class Root(nn.Module):
    """A function that makes NaN, between two layers."""

    def __init__(self):
        super().__init__()
        self.flatten, self.fc = nn.Flatten(), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc((self.flatten(x) - 2) ** 0.5)


class NotANumber(nn.Module):
    def forward(self, x):
        return x * float("nan")


@pytest.mark.parametrize(("model", "settings", "message"), [
    (lambda: with_weight("0", float("nan")), {},
     r"batch 1 of epoch 1: 0 \(Conv2d\) was the first layer .*because its weight is none"),
    (lambda: with_weight("3", float("nan")), {},
     r"3 \(Linear\) was the first layer .*because its weight is none"),
    (lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), NotANumber(), nn.Dropout(0.5),
                           nn.Linear(64, 10)), {}, r"2 \(NotANumber\) was the first layer .*its inputs and "
     r"weights are finite. Lower the learning rate \(it is 0.001\)"),
    (small, {"loss": lambda output, y: F.cross_entropy(output, y) * float("nan")},
     "the loss function made it"),
])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_the_layer_that_made_nan_first_is_named_and_nothing_is_spoilt(model, settings, message):
    model = model()
    before, random_states = copy.deepcopy(model.state_dict()), []

    class RandomStates(Callback):
        def on_before_optimizer_step(self, run):
            random_states.append(random.get_state())

        def on_exception(self, run, error):
            random_states.append(random.get_state())

    with pytest.raises(FloatingPointError, match=message):
        fit([RandomStates(), StopOnNaN()], model, **settings)
    assert random_states[0] == random_states[1]
    for name, value in model.named_parameters():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_function_between_layers_is_found_by_the_layer_after_it():
    with pytest.raises(FloatingPointError, match=r"the input of fc \(Linear\) already was no finite number"):
        fit([StopOnNaN()], Root())


def test_a_gradient_that_is_no_number_is_found_before_it_reaches_the_weights():
    model = small()
    model.features.conv1.weight.register_hook(lambda grad: grad * float("nan"))
    with pytest.raises(FloatingPointError,
                       match=r"batch 1 of epoch 1, but the gradient of features.conv1.weight is no finite"):
        fit([StopOnNaN()], model)
    assert np.isfinite(model.features.conv1.weight.numpy()).all()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_stop_on_nan_looks_at_each_batch_of_an_update():
    factors = iter([1.0, float("nan"), 1.0])
    with pytest.raises(FloatingPointError,
                       match=r"the loss is nan in batch 2 of epoch 1: .*so the loss function made it"):
        fit([StopOnNaN()], batch_size=16, accumulate_grad_batches=3,
            loss=lambda out, y: F.cross_entropy(out, y) * next(factors))


def test_stop_on_nan_lets_good_runs_be():
    assert len(fit([StopOnNaN()])) == 2


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Monitor("loss", "least"), "mode must be 'auto', 'min' or 'max'"),
    (lambda: Monitor("loss", min_delta=-1), "min_delta"),
    (lambda: EarlyStopping(patience=-1), "patience must be 0 or more"),
    (lambda: Checkpoint("x", keep=1), "keep must be 2 or more"),
    (lambda: Checkpoint("x", every_n_batches=0), "every_n_batches must be a whole number"),
    (TimeLimit, "above 0 seconds"),
    (lambda: LearningRateMonitor("batch"), "interval must be"),
    (lambda: StopOnNaN(0), "every_n_batches must be 1 or more"),
    (lambda: fit([EarlyStopping("val_f1")]), "no figure 'val_f1' to monitor: an epoch has loss, accuracy"),
    (lambda: fit([EarlyStopping()], validation=None), "give validation= for held-out figures"),
])
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
