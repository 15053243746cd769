"""Targets are of the loss's own kind; another is refused with the range, or the shape, and the fix."""

import functools

import numpy as np
import pytest

from cnnkit import functional as F
from cnnkit import nn, tensor
from cnnkit.evaluation.targets import TargetKind, check_kind, fitted, kind_of, settle
from cnnkit.train.class_weight import WeightedCrossEntropy

CLASSES, NUMBERS = kind_of(None), kind_of(F.mse_loss)
SCORES = tensor(np.zeros((4, 3), np.float32))
NUMBER = tensor(np.array([[1.0], [2.0], [3.0], [4.0]], np.float32))


@pytest.mark.parametrize(("loss", "kind"), [
    (None, CLASSES), (F.cross_entropy, CLASSES), (nn.CrossEntropyLoss(), CLASSES),
    (WeightedCrossEntropy({}), CLASSES),
    (functools.partial(F.cross_entropy, ignore_index=255), CLASSES._replace(ignore_index=255)),
    (nn.CrossEntropyLoss(ignore_index=-1), CLASSES._replace(ignore_index=-1)),
    (F.nll_loss, TargetKind("nll_loss", True)), (nn.NLLLoss(), TargetKind("nll_loss", True)),
    (nn.MSELoss(), NUMBERS), (lambda output, target: output.mean(), None)], ids=range(10))
def test_what_a_loss_takes(loss, kind):
    assert kind_of(loss) == kind


def test_numbers_for_a_loss_of_classes_are_refused_before_anything_runs():
    with pytest.raises(TypeError, match=r"cross_entropy, takes class labels, integers from 0, .*float64 of "
                                        r"shape \(4,\): .*give loss=functional.mse_loss; .*astype"):
        check_kind(CLASSES, np.arange(4.0))
    for kind, targets in ((CLASSES, np.arange(4)), (CLASSES, np.eye(3)), (NUMBERS, np.arange(4.0)),
                          (None, np.arange(4.0))):
        check_kind(kind, targets)


@pytest.mark.parametrize(("kind", "output", "targets", "match"), [
    (CLASSES, SCORES, [1, 2, 3, 1], r"label 3 of sample 2 .*start at 1 need 1 subtracted \(.*1 to 3"),
    (CLASSES, SCORES, [0, 9, 1, 1], r"label 9 of sample 1 is outside 0\.\.2, .* 3 classes; correct"),
    (CLASSES, SCORES, [0, -1, 1, 1], "label -1 of sample 1"),
    (CLASSES, SCORES, [[0], [1], [2], [0]], r"labels \(N,\), and the targets are \(N, 1\): .*y\[:, 0\]"),
    (CLASSES, tensor(np.zeros((1, 3, 2, 2), "f4")), [[[0, 1], [2, 3]]], r"label 3 of sample 0 is outside"),
    (CLASSES, SCORES, np.full((4, 3), np.nan), "targets of sample 0 hold NaN"),
    (NUMBERS, NUMBER, [1.0, 2.0, 3.0, 4.0], r"gives \(N, 1\), and the targets are \(N,\): .*y\[:, None\]"),
    (NUMBERS, SCORES, [[1.0, 2.0]] * 4, r"gives \(N, 3\), and the targets are \(N, 2\)"),
    (NUMBERS, NUMBER, [[1.0], [2.0], [np.inf], [0.0]], "targets of sample 2 hold NaN or infinity")])
def test_targets_that_do_not_fit_the_output_are_refused(kind, output, targets, match):
    for form in (np.asarray(targets), tensor(np.asarray(targets))):
        with pytest.raises(ValueError, match=match):
            settle(kind, output, form)


@pytest.mark.parametrize("targets", [[0, 1, 2, 0], [0, -100, 2, 2], np.eye(4, 3), np.eye(4, 3, dtype=int)],
                         ids=["labels", "ignored", "probabilities", "one-hot"])
def test_targets_that_fit_pass(targets):
    settle(CLASSES, SCORES, np.asarray(targets))


def test_a_loss_that_broadcasts_is_refused_and_one_that_reshapes_is_not():
    targets = tensor(np.array([5.0, 7.0, 1.0, 0.0], np.float32))
    for loss in (lambda o, t: ((o - t) ** 2).mean(), lambda o, t: (o - t).abs().sum()):
        with pytest.raises(ValueError, match=r"broadcasts them to \(N, N\).*y\[:, None\]"):
            settle(None, NUMBER, targets, loss)
    for loss in (lambda o, t: ((o[:, 0] - t) ** 2).mean(), lambda o, t: (o.reshape(t.shape) - t).abs().sum()):
        settle(None, NUMBER, targets, loss)


def test_one_hot_integers_and_numbers_become_floats_and_bools_class_labels():
    one_hot = fitted(CLASSES, SCORES, tensor(np.eye(4, 3, dtype=np.int64)[[0, 1, 2, 0]]))
    assert str(one_hot.dtype) == "float32"
    assert str(fitted(NUMBERS, NUMBER, tensor([[1], [2], [3], [4]])).dtype) == "float32"
    assert str(fitted(CLASSES, SCORES, tensor([True, False, True, True])).dtype) == "int64"
    labels = tensor([0, 1, 2, 0])
    assert fitted(CLASSES, SCORES, labels) is labels
    with pytest.raises(ValueError, match="those of sample 1 do not sum to 1"):
        fitted(CLASSES, SCORES, tensor(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])))
