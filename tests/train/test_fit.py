"""`fit`: it learns, repeats bit for bit, shows progress, stops when asked, and refuses what cannot work."""

import copy
import io
import os
import signal

import numpy as np
import pytest
from rich.console import Console

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, optim, random, train
from cnnkit.data import ArrayDataset, DataLoader, datasets
from cnnkit.evaluation.tally import Tally
from cnnkit.train.progress import Bar, Lines, Silent, reporter


@pytest.fixture(autouse=True)
def seeded():
    random.seed(0)


def small():
    return models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[16])


class Recorder(Silent):
    """A reporter that calls `at_step` after every batch."""

    def __init__(self, at_step=lambda: None):
        self.rows, self.at_step = [], at_step

    def step(self, tally):
        self.at_step()

    def end(self, row):
        self.rows.append(row)


def test_digits_are_learnt():
    history = train.fit(small(), datasets.digits(train=True), epochs=6, lr=5e-3,
                        validation=datasets.digits(train=False), seed=0, progress=False)
    assert history[-1].val_accuracy > 0.93
    assert history["loss"] == sorted(history["loss"], reverse=True)
    assert [row.epoch for row in history] == [1, 2, 3, 4, 5, 6]


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    def run():
        random.seed(3)
        model = small()
        train.fit(model, datasets.digits(train=True), epochs=1, seed=3, progress=False)
        return model.state_dict()

    for (name, a), b in zip(run().items(), run().values()):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


def test_the_rows_figures_are_those_of_the_batches():
    x = np.random.default_rng(0).random((10, 1, 8, 8), np.float32)
    y = np.arange(10) % 3
    model, losses = small(), []

    def loss(output, target):
        value = F.cross_entropy(output, target)
        losses.append((value.item(), len(target), (output.numpy().argmax(1) == target.numpy()).sum()))
        return value

    row = train.fit(model, (x, y), batch_size=4, loss=loss, progress=False)[-1]
    assert [n for _, n, _ in losses] == [4, 4, 2]
    assert row.loss == pytest.approx(sum(v * n for v, n, _ in losses) / 10)
    assert row.accuracy == sum(hits for _, _, hits in losses) / 10


def test_a_loader_a_dataset_and_a_pair_of_arrays_are_all_data():
    x, y = np.random.default_rng(0).random((8, 1, 8, 8), np.float32), np.arange(8) % 2
    for data in ((x, y), ArrayDataset(x, y), DataLoader(ArrayDataset(x, y), batch_size=4)):
        assert train.fit(small(), data, progress=False)[-1].loss > 0


def test_regression_has_no_accuracy():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    batch = cnnkit.tensor(np.ones((5, 1, 2, 2), np.float32)), cnnkit.tensor(np.ones((5, 1), np.float32))
    assert train.fit(model, iter([batch]), loss=F.mse_loss, optimizer="sgd",
                     progress=False)[-1].accuracy is None


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_optimizers_go_by_name(name):
    x, y = np.random.default_rng(0).random((8, 1, 8, 8), np.float32), np.arange(8) % 2
    losses = train.fit(small(), (x, y), epochs=8, optimizer=name, lr=1e-2, progress=False)["loss"]
    assert losses[-1] < losses[0]


def test_an_optimizer_of_ones_own_is_used():
    model = small()
    before = copy.deepcopy(model.state_dict())
    train.fit(model, datasets.digits(train=False),
              optimizer=optim.SGD(model.parameters(), lr=0.0), progress=False)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


def test_ctrl_c_finishes_the_batch_and_keeps_what_was_learnt():
    steps = []

    def press():
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    model = small()
    before = copy.deepcopy(model.state_dict())
    history = train.fit(model, datasets.digits(train=True), epochs=5, progress=Recorder(press))
    assert history.interrupted
    assert (len(history), len(steps)) == (1, 3)
    assert any(np.any(v.numpy() != before[n].numpy()) for n, v in model.state_dict().items())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_interrupts_at_once():
    def press():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train.fit(small(), datasets.digits(train=True), progress=Recorder(press))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_during_validation_ends_it_after_the_batch():
    calls = []

    class Pressing(Recorder):
        def validate(self, done, batches):
            calls.append((done, batches))
            if done == 2:
                os.kill(os.getpid(), signal.SIGINT)

    held_out = DataLoader(datasets.digits(train=False), batch_size=30)
    history = train.fit(small(), datasets.digits(train=False), epochs=3,
                        validation=held_out, progress=Pressing())
    assert calls == [(0, 12), (1, 12), (2, 12)]
    assert history.interrupted
    assert (len(history), history[0].val_accuracy) == (1, None)


def test_the_bar_shows_the_validation():
    stream = io.StringIO()
    progress = reporter(True, Console(file=stream, force_terminal=True, width=120))
    progress.TICK = 0.0
    held_out = DataLoader(datasets.digits(train=False), batch_size=30)
    train.fit(small(), datasets.digits(train=False), epochs=1, validation=held_out, progress=progress)
    text = stream.getvalue()
    assert "held-out images" in text
    assert " 7/12" in text[text.index("held-out images"):]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"lr": float("inf")}, "lr, the learning rate, must be a finite number such as 0.001; got inf"),
    ({"lr": float("nan")}, "lr, the learning rate, must be a finite number"),
    ({"epochs": -1}, "epochs must be a whole number, 0 or more; got -1"),
    ({"optimizer": "lbfgs"}, "no optimizer 'lbfgs'; there are sgd, adam, adamw, .*rmsprop"),
    ({"data": (np.zeros((0, 1, 8, 8), np.float32), np.zeros(0, int))}, "empty"),
    ({"data": (np.zeros((3, 1, 8, 8), np.float32), np.zeros(2, int))}, "3 images.*2 labels"),
    ({"data": (np.full((3, 1, 8, 8), np.nan, np.float32), np.zeros(3, int))}, "NaN"),
    ({"data": (np.zeros((3, 1, 8, 8), np.float32), np.array([0, 1, 10]))}, "10"),
    ({"data": (np.zeros((3, 2, 8, 8), np.float32), np.zeros(3, int))},
     r"\(3, 2, 8, 8\); it takes \(N, 1, 8, 8\)"),
    ({"data": []}, "empty"),
    ({"data": iter([])}, "no batch"),
])
def test_what_cannot_work_is_refused_in_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        train.fit(small(), arguments.pop("data", datasets.digits(train=False)), progress=False, **arguments)


def test_a_loss_that_is_no_number_stops_the_run_with_advice():
    x, y = np.random.default_rng(0).random((64, 1, 8, 8), np.float32), np.arange(64) % 10
    with pytest.raises(FloatingPointError, match="Lower the learning rate"), np.errstate(all="ignore"):
        train.fit(small(), (x, y), epochs=60, optimizer="sgd", lr=1e38, progress=False)


def test_outside_a_terminal_progress_is_one_line_an_epoch():
    stream = io.StringIO()
    progress = reporter(True, Console(file=stream, width=200))
    assert isinstance(progress, Lines)
    train.fit(small(), datasets.digits(train=False), epochs=2,
              validation=datasets.digits(train=False), progress=progress)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    for word in ("Epoch 2", "loss", "accuracy", "held-out accuracy", "images/s"):
        assert word in lines[1]


def test_in_a_terminal_progress_is_a_bar_with_loss_accuracy_and_speed():
    stream = io.StringIO()
    progress = reporter(True, Console(file=stream, force_terminal=True, width=120))
    assert isinstance(progress, Bar)
    progress.TICK = 0.0
    train.fit(small(), datasets.digits(train=False), epochs=1, progress=progress)
    text = stream.getvalue()
    for word in ("1/1", "loss", "accuracy", "images/s", "12/12"):
        assert word in text


def test_the_tally_is_read_at_ticks_only(monkeypatch):
    reads = []
    monkeypatch.setattr(Tally, "read", lambda self, real=Tally.read: reads.append(1) or real(self))
    train.fit(small(), datasets.digits(train=True), epochs=1, progress=False)
    assert len(reads) == 1


class Weighted:
    """A loader of one's own, with a weight for each sample."""

    def __init__(self, images, labels, weights, size=32):
        self.batches = [tuple(cnnkit.tensor(a[start:start + size]) for a in (images, labels, weights))
                        for start in range(0, len(images), size)]

    def __iter__(self):
        return iter(self.batches)


def test_a_sample_of_weight_3_counts_like_three_samples_and_one_of_weight_0_like_none():
    digits = datasets.digits(train=True)
    images, labels = digits.batch(range(32))
    weights = np.arange(32, dtype="float32") % 4

    def run(loader):
        random.seed(0)
        model = small()
        return train.fit(model, loader, epochs=3, lr=5e-3, progress=False), train.evaluate(model, loader)

    repeated = [a.repeat(weights.astype(int), axis=0) for a in (images, labels, np.ones(32, "float32"))]
    weighted_history, weighted_scores = run(Weighted(images, labels, weights))
    repeated_history, repeated_scores = run(Weighted(*repeated, size=1000))
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(weighted_history[name], repeated_history[name], rtol=1e-4)
    np.testing.assert_allclose(weighted_scores, repeated_scores, rtol=1e-4)


def test_the_epochs_loss_weighs_a_batch_by_the_sum_of_its_weights():
    images, labels = np.zeros((2, 1, 8, 8), "float32"), np.array([0, 1])
    model = models.CNN((1, 8, 8), conv=[], hidden=[], classes=2)
    scores = train.evaluate(model, Weighted(images, labels, np.array([3.0, 1.0], "float32"), size=1))
    single_scores = [train.evaluate(model, (images[i:i + 1], labels[i:i + 1])) for i in (0, 1)]
    np.testing.assert_allclose(scores, np.average(single_scores, axis=0, weights=[3, 1]), rtol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("class_weight", [None, {0: 2.0}])
def test_batches_of_weight_0_change_nothing(accumulate, class_weight):
    images, labels = datasets.digits(train=True).batch(range(64))

    def run(first, batches):
        random.seed(0)
        model, weights = small(), np.r_[np.full(first, 0), np.ones(64 - first)].astype("float32")
        loader = Weighted(images, labels, weights, size=16)
        loader.batches = [loader.batches[n] for n in batches]
        history = train.fit(model, loader, optimizer="sgd", accumulate_grad_batches=accumulate,
                            class_weight=class_weight, validation=loader, progress=False)
        row = history[0]
        return [row.loss, row.accuracy, row.val_loss, row.val_accuracy], model.state_dict()

    (figures, state), (expected, expected_state) = run(32, [0, 1, 2, 3]), run(32, [2, 3])
    np.testing.assert_allclose(figures, expected, rtol=1e-6)
    for name, value in state.items():
        np.testing.assert_array_equal(value.numpy(), expected_state[name].numpy(), err_msg=name)


def test_an_epoch_of_weight_0_is_refused():
    images, labels = datasets.digits(train=True).batch(range(32))
    with pytest.raises(ValueError, match="every sample of epoch 1 has weight 0"):
        train.fit(small(), Weighted(images, labels, np.zeros(32, "float32"), size=16),
                  accumulate_grad_batches=2, progress=False)


def test_a_batch_of_classes_of_weight_0_does_not_spoil_its_update():
    images, labels = datasets.digits(train=True).batch(range(32))
    labels = np.repeat([0, 1], 16)

    def weights(chosen, **settings):
        random.seed(0)
        model = small()
        loader = Weighted(images[chosen], labels[chosen], np.ones(len(chosen), "float32"), size=16)
        loader.batches = [batch[:2] for batch in loader.batches]
        train.fit(model, loader, class_weight={0: 0.0}, progress=False, **settings)
        return model.state_dict()

    one, other = weights(np.arange(32), accumulate_grad_batches=2), weights(np.arange(16, 32))
    for name, value in one.items():
        np.testing.assert_array_equal(value.numpy(), other[name].numpy(), err_msg=name)
