"""What a batch counts for: means of batches make the mean of all, for every loss and on every backend."""

import functools

import numpy as np
import pytest

import cnnkit
from cnnkit import evaluation, nn
from cnnkit import functional as F
from cnnkit.evaluation.counting import Counting, is_empty, number
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.train.class_weight import WeightedCrossEntropy

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(6, 3, 2)).astype("float32")
LABELS = RNG.integers(0, 3, (6, 2))
LABELS[1:4, :] = [[-100, 1], [-100, -100], [2, -100]]
SOFT = RNG.random((6, 3, 2)).astype("float32")


class Masked:
    """The mean absolute error of the labels above 0."""

    def __call__(self, output, target):
        mask, total = (target > 0).to(dtype="float32"), self.batch_weight(target)
        errors = (output.sum(1) - target.to(dtype="float32")).abs() * mask
        return errors.sum() / F.where(total == 0, 1, total)

    def batch_weight(self, target, weight=None):
        return (target > 0).to(dtype="float32").sum()


LOSSES = {
    "the default": (None, LABELS),
    "cross_entropy": (F.cross_entropy, LABELS),
    "a module": (nn.CrossEntropyLoss(), LABELS),
    "uint8 labels": (nn.CrossEntropyLoss(), np.maximum(LABELS, 0).astype("uint8")),
    "another ignored class": (nn.CrossEntropyLoss(ignore_index=255), np.where(LABELS < 0, 255, LABELS)),
    "class 0 ignored": (nn.CrossEntropyLoss(ignore_index=0), np.maximum(LABELS, 0)),
    "class weights": ("weighted", LABELS),
    "class weights of fit": (WeightedCrossEntropy({0: 0.5, 2: 0.0}), LABELS),
    "a partial function": (functools.partial(F.cross_entropy, ignore_index=1), np.maximum(LABELS, 0)),
    "probabilities": (F.cross_entropy, SOFT),
    "log-probabilities": ("weighted NLL", LABELS),
    "squares": (F.mse_loss, SOFT),
    "a module of squares": (nn.MSELoss(), SOFT),
    "a loss that counts": (Masked(), LABELS)}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_data_does_not_depend_on_the_batch_size(backend, name):
    loss, targets = LOSSES[name]
    if isinstance(loss, str):  # made here, because its weights are the backend's
        weight = cnnkit.tensor([0.5, 2.0, 3.0])
        loss = nn.NLLLoss(weight) if "NLL" in loss else nn.CrossEntropyLoss(weight, label_smoothing=0.2)
    batches = [(cnnkit.tensor(SCORES[i:i + 1]), cnnkit.tensor(targets[i:i + 1])) for i in range(6)]
    whole = [(cnnkit.tensor(SCORES), cnnkit.tensor(targets))]
    one = evaluation.evaluate(nn.Identity(), iter(whole), loss).loss
    assert evaluation.evaluate(nn.Identity(), iter(batches), loss).loss == pytest.approx(one, rel=1e-5)
    assert one == pytest.approx((loss or F.cross_entropy)(*whole[0]).item(), rel=1e-5)


def test_rows_are_what_counts_for_an_unknown_loss_and_weights_where_there_are_any(backend):
    target, weight = cnnkit.tensor([0, 1, -100]), cnnkit.tensor([1.0, 2.0, 4.0])

    def own(output, target, weight=None):
        return output.sum()

    assert number(Counting(own)(target).loss) == 3
    assert number(Counting(own)(target, weight).loss) == 7
    assert number(Counting(cross_entropy)(target, weight).loss) == 3


def test_weights_of_samples_count_for_their_labels_that_are_not_ignored(backend):
    weight = cnnkit.tensor(np.arange(1.0, 7.0, dtype="float32"))
    x, y = cnnkit.tensor(SCORES), cnnkit.tensor(LABELS)
    losses = F.cross_entropy(x, y, reduction="none").numpy()
    weights = weight.numpy()[:, None] * (LABELS != -100)
    expected = (losses * weights).sum() / weights.sum()
    assert cross_entropy(x, y, weight).item() == pytest.approx(expected, rel=1e-5)
    assert WeightedCrossEntropy({0: 1.0})(x, y, weight).item() == pytest.approx(expected, rel=1e-5)
    assert number(Counting(cross_entropy)(y, weight).loss) == pytest.approx(weights.sum())


def test_ignored_labels_have_no_part_in_accuracy_or_metrics(backend):
    scores = cnnkit.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for ignored in (-100, 0, 255):
        metrics = [evaluation.metrics.Accuracy(), evaluation.metrics.TopKAccuracy(2),
                   evaluation.metrics.ConfusionMatrix()]
        target = cnnkit.tensor([ignored, 1, ignored, 1])
        scored = evaluation.evaluate(nn.Identity(), iter([(scores, target)]),
                                     nn.CrossEntropyLoss(ignore_index=ignored), metrics=metrics)
        assert scored.accuracy == 0.5
        assert [metric.compute() for metric in metrics] == [0.5, 0.5, [[0, 0, 0], [0, 1, 1], [0, 0, 0]]]


def test_a_sum_is_reported_as_its_mean():
    batches = [(cnnkit.tensor(SCORES[i:i + 2]), cnnkit.tensor(LABELS[i:i + 2])) for i in (0, 2, 4)]
    mean, total = (evaluation.evaluate(nn.Identity(), iter(batches), nn.CrossEntropyLoss(reduction=reduction))
                   for reduction in ("mean", "sum"))
    assert total.loss == pytest.approx(mean.loss, rel=1e-6)
    with pytest.raises(ValueError, match=r"reduction='none'.*use reduction='mean'"):
        Counting(nn.MSELoss(reduction="none"))


def test_a_count_of_a_device_is_not_waited_for():
    with cnnkit.use("emulator"):
        count = Counting(F.cross_entropy)(cnnkit.tensor([0, -100])).loss
    assert not isinstance(count, int)
    assert number(count) == 1
    assert not is_empty(count)
    assert Counting(F.cross_entropy)(cnnkit.tensor([0, -100])).loss == 1


def test_a_batch_without_a_row_is_passed_over():
    whole = (cnnkit.tensor(SCORES), cnnkit.tensor(LABELS))
    empty = tuple(cnnkit.tensor(values[:0]) for values in (SCORES, LABELS))
    assert (evaluation.evaluate(nn.Identity(), iter([whole, empty]))
            == evaluation.evaluate(nn.Identity(), iter([whole])))


@pytest.mark.parametrize(("batches", "message"), [
    ([], "hold no batch"), ([(cnnkit.tensor(SCORES), cnnkit.tensor(np.full((6, 2), -100)))], "is ignored")])
def test_data_without_a_label_that_counts_are_not_measured(batches, message):
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(nn.Identity(), iter(batches))
