"""Updates by what counts: groups of batches equal one batch, and what counts for nothing changes nothing."""

import functools

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.evaluation.counting import Counting
from cnnkit.train.callbacks import Callback, Checkpoint, StopOnNaN

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(6, 1, 3, 3)).astype("float32"), RNG.integers(0, 2, (6, 3, 3))
LABELS[1:4] = -100
LABELS[1, 0, 0], LABELS[3, 0, :2] = 1, 0
NUMBERS = RNG.normal(size=(6, 2, 3, 3)).astype("float32")


def batches(size, targets=LABELS, without=()):
    groups = [range(i, min(i + size, 6)) for i in range(0, 6, size)]
    return [tuple(cnnkit.tensor(values[list(rows)]) for values in (IMAGES, targets))
            for rows in groups if not set(rows) & set(without)]


class Loader:
    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def trained(data, targets=LABELS, **settings):
    random.seed(0)
    model = nn.Conv2d(1, 2, 1)
    settings = {"optimizer": "sgd", "lr": 0.5, "progress": False} | settings
    history = train.fit(model, Loader(data), **settings)
    return np.concatenate([p.numpy().ravel() for p in model.parameters()]), history


LOSSES = [(None, LABELS), (nn.CrossEntropyLoss(ignore_index=0), LABELS.clip(0)), (F.mse_loss, NUMBERS),
          (functools.partial(F.cross_entropy, ignore_index=1), LABELS.clip(0)),
          (nn.CrossEntropyLoss(reduction="sum"), LABELS)]


@pytest.mark.parametrize(("loss", "targets"), LOSSES)
@pytest.mark.parametrize("group", [3, 4])  # with 4, the last update has two batches
def test_accumulated_batches_are_one_batch_whatever_their_labels(backend, loss, targets, group):
    small, history = trained(batches(1, targets), loss=loss, accumulate_grad_batches=group)
    large, expected = trained(batches(group, targets), loss=loss)
    np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-5)
    assert history[0].loss == pytest.approx(expected[0].loss, rel=1e-4)


def test_accumulated_class_weights_are_one_batch(backend):
    weight = cnnkit.tensor([1.0, 5.0])
    small, _ = trained(batches(1), loss=nn.CrossEntropyLoss(weight), accumulate_grad_batches=3)
    large, _ = trained(batches(3), loss=nn.CrossEntropyLoss(weight))
    np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"accumulate_grad_batches": 2},
                                      {"class_weight": {1: 3.0}}, {"loss": nn.CrossEntropyLoss()}])
def test_a_batch_without_a_label_that_counts_changes_nothing(settings):
    # batch 2 has no labels
    spoilt, history = trained(batches(1), epochs=2, callbacks=[StopOnNaN()], **settings)
    if "accumulate_grad_batches" in settings:  # the groups stay as they are
        expected, _ = trained(batches(2), epochs=2, **settings | {"accumulate_grad_batches": 1})
    else:
        expected, _ = trained(batches(1, without=[2]), epochs=2, **settings)
    np.testing.assert_allclose(spoilt, expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(history["loss"]).all()


def test_a_batch_without_labels_makes_no_nan_on_any_backend(backend):
    spoilt, history = trained(batches(1), callbacks=[StopOnNaN()], accumulate_grad_batches=2)
    single, history_of_singles = trained(batches(1), callbacks=[StopOnNaN()])
    assert np.isfinite([*spoilt, *single, *history["loss"], *history_of_singles["loss"]]).all()


def test_a_batch_that_counts_for_nothing_makes_no_update_but_passes(tmp_path):
    class Watch(Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_end(self, run):
            self.seen.append((run.batch, run.step, run.losses and run.losses[0] is not None))

    watch, checkpoint = Watch(), Checkpoint(tmp_path, every_n_batches=1)
    _, history = trained(batches(1)[2:4], callbacks=[watch, checkpoint])
    assert watch.seen == [(1, 0, []), (2, 1, True)]
    assert np.isfinite(history[0].loss)
    with pytest.raises(ValueError, match="every sample of epoch 1 has weight 0, or a label that is ignored"):
        trained(batches(1)[2:3])


def test_the_statistics_of_batch_norm_do_not_see_a_batch_that_counts_for_nothing():
    def statistics(data):
        random.seed(0)
        model = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1))
        train.fit(model, Loader(data), progress=False)
        return model[0].running_mean.numpy()

    np.testing.assert_array_equal(statistics(batches(1)), statistics(batches(1, without=[2])))


def test_a_loss_with_a_parameter_of_its_own_is_counted_as_its_criterion():
    class Learnt:
        criterion = nn.CrossEntropyLoss()

        def __init__(self):
            self.scale = cnnkit.tensor([0.0], requires_grad=True)

        def __call__(self, output, target):
            return ((-self.scale).exp() * self.criterion(output, target) + self.scale).sum()

        def batch_weight(self, target, weight=None):
            return Counting(self.criterion)(target).loss

    def run(size, group):
        random.seed(0)
        model, loss = nn.Conv2d(1, 2, 1), Learnt()
        train.fit(model, Loader(batches(size)), loss=loss, accumulate_grad_batches=group, progress=False,
                  optimizer=optim.SGD([*model.parameters(), loss.scale], lr=0.1))
        return model.weight.numpy().copy(), loss.scale.item()

    (small, learnt), (large, expected) = run(1, 3), run(3, 1)
    np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-6)
    assert learnt == pytest.approx(expected, rel=1e-4)
    assert learnt != 0
