"""Figures that are watched: which way is better, and what is refused before the first epoch."""

import numpy as np
import pytest

from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.evaluation.metrics import Metric, TopKAccuracy
from cnnkit.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping
from cnnkit.train.callbacks.monitor import Monitor

RNG = np.random.default_rng(0)
DATA = RNG.random((12, 1, 2, 2)).astype("float32"), np.arange(12) % 3


class Falling(Metric):
    """1, 2, 3, ...: it gets worse if lower is better."""

    higher_is_better = False
    count = 0

    def update(self, output, target): ...

    def reset(self):
        self.count += 1

    def compute(self):
        return np.float32(self.count)


class Undeclared(Falling):
    higher_is_better = None


class Batches(Callback):
    count = 0

    def on_train_batch_end(self, run):
        self.count += 1


def fit(*callbacks, **settings):
    random.seed(0)
    settings = {"epochs": 4, "validation": DATA} | settings
    return train.fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), DATA, callbacks=callbacks, progress=False,
                     **settings)


def test_names_of_losses_accuracies_and_metrics_say_which_way_is_better():
    for name, highest in (("val_loss", False), ("val_accuracy", True), ("val_top_5", True), ("val_f1", True),
                          ("loss", False), ("accuracy", True), ("val_mine", None), ("lr", None),
                          ("val_confusion_matrix", None)):
        assert Monitor(name).highest is highest
        assert Monitor(name, "max").highest is True
    assert not Monitor("loss").better(float("nan"), None)


@pytest.mark.parametrize(("metric", "best_epoch"), [(Falling(), 1), (TopKAccuracy(3), 1)])
def test_a_metric_declares_which_way_is_better_whatever_its_name(metric, best_epoch):
    stopping = EarlyStopping("val_mine", patience=1)
    assert len(fit(stopping, metrics={"mine": metric})) == 2
    assert stopping.best_epoch == best_epoch
    assert stopping.monitor.highest == metric.higher_is_better


def test_a_name_says_nothing_of_a_metric_that_says_something_else():
    stopping = EarlyStopping("val_f1", patience=9)
    fit(stopping, metrics={"f1": Falling()})
    assert stopping.best_epoch == 1


def test_a_mode_that_is_given_is_taken():
    stopping = EarlyStopping("val_mine", mode="max")
    fit(stopping, metrics={"mine": Undeclared()})
    assert stopping.best_epoch == 4


def test_what_cannot_be_watched_is_refused_before_the_first_epoch(tmp_path):
    undeclared = {"metrics": {"mine": Undeclared()}}
    for make, settings, message in (
            (lambda: EarlyStopping("val_mine"), undeclared, "'val_mine' is better: give mode='min'"),
            (lambda: EarlyStopping("lr"), {}, "a higher or a lower 'lr' is better"),
            (lambda: EarlyStopping("val_los"), {}, "an epoch has loss, accuracy, val_loss, val_accuracy"),
            (lambda: EarlyStopping("val_f1"), undeclared, "val_accuracy, val_mine, lr"),
            (EarlyStopping, {"validation": None}, "give validation= for held-out figures"),
            (lambda: Checkpoint(tmp_path, monitor="val_f1"), {}, "no figure 'val_f1' to monitor")):
        batches = Batches()
        with pytest.raises(ValueError, match=message):
            fit(make(), batches, **settings)
        assert batches.count == 0


def test_an_accuracy_that_the_task_has_not_is_refused_with_what_there_is():
    numbers = DATA[0], RNG.random((12, 3)).astype("float32")
    pairs = list(zip(*numbers))
    with pytest.raises(ValueError, match="no figure 'accuracy' to monitor: an epoch has loss, images_"):
        train.fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), pairs, loss=F.mse_loss,
                  callbacks=[EarlyStopping("accuracy")], progress=False)


def plateau(**settings):
    made = []

    def make(optimizer):
        made.append(ReduceLROnPlateau(optimizer, **settings))
        return made[0]
    return made, make


def test_a_plateau_watches_the_figure_that_is_named():
    made, make = plateau(mode="max", patience=0)
    history = fit(scheduler=make, scheduler_monitor="val_accuracy", lr=0.0)
    assert made[0].best == history[0].val_accuracy
    made, make = plateau(mode="min", patience=0)
    fit(scheduler=make, scheduler_monitor="val_mine", metrics={"mine": Undeclared()})
    assert made[0].best == 1
    rates = fit(scheduler="plateau", scheduler_monitor="val_mine", metrics={"mine": Falling()},
                epochs=7)["lr"]
    assert rates[-1] == pytest.approx(rates[0] / 10)


@pytest.mark.parametrize(("settings", "message"), [
    ({"scheduler": plateau(mode="max")[1]}, "has mode='max', but of 'val_loss', .* lower values are better"),
    ({"scheduler": plateau()[1], "scheduler_monitor": "val_accuracy"}, "better; give mode='max'"),
    ({"scheduler": plateau()[1], "scheduler_monitor": "val_f1"}, "no figure 'val_f1'"),
    ({"scheduler": "plateau", "scheduler_monitor": "val_mine", "metrics": {"mine": Undeclared()}},
     "give mode='min'"),
    ({"scheduler": lambda optimizer: StepLR(optimizer, 1), "scheduler_monitor": "loss"}, "is none; give"),
])
def test_a_plateau_that_watches_the_wrong_way_is_refused(settings, message):
    batches = Batches()
    with pytest.raises(ValueError, match=message):
        fit(batches, **settings)
    assert batches.count == 0


def test_a_plateau_begins_anew_where_it_is_told_which_way_is_better():
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = ReduceLROnPlateau(optimizer, patience=0)
    schedule.watch("max")
    for figure in (1.0, 2.0, 3.0):
        schedule.step(figure)
    assert schedule.get_last_lr() == [1.0]
