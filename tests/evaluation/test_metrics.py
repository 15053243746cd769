"""Metrics equal scikit-learn's and counts by hand, with NaN and ties, and are the same on every backend."""

import numpy as np
import pytest

import cnnkit
from cnnkit import models, train
from cnnkit.data import datasets
from cnnkit.evaluation import metrics

RNG = np.random.default_rng(0)
SCORES = RNG.random((200, 7), np.float32)
LABELS = RNG.integers(0, 6, 200)  # class 6 never occurs, but is predicted
PREDICTED = SCORES.argmax(1)


def measured(metric, parts=3):
    for x, y in zip(np.array_split(SCORES, parts), np.array_split(LABELS, parts)):
        metric.update(cnnkit.tensor(x), cnnkit.tensor(y))
    return metric.compute()


def test_accuracy_and_top_k_equal_scikit_learns():
    sk = pytest.importorskip("sklearn.metrics")
    assert measured(metrics.Accuracy()) == sk.accuracy_score(LABELS, PREDICTED)
    for k in (1, 2, 5, 6):
        assert (measured(metrics.TopKAccuracy(k))
                == pytest.approx(sk.top_k_accuracy_score(LABELS, SCORES, k=k, labels=range(7))))


def test_the_confusion_matrix_equals_scikit_learns():
    sk = pytest.importorskip("sklearn.metrics")
    expected = sk.confusion_matrix(LABELS, PREDICTED, labels=range(7)).tolist()
    assert measured(metrics.ConfusionMatrix()) == expected
    assert metrics.confusion_matrix(LABELS, PREDICTED) == expected


@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted"])
def test_precision_recall_and_f1_equal_scikit_learns(average):
    sk = pytest.importorskip("sklearn.metrics")
    expected = sk.precision_recall_fscore_support(LABELS, PREDICTED, average=average, zero_division=0)
    for kind, figure in zip((metrics.Precision, metrics.Recall, metrics.F1), expected):
        assert measured(kind(average)) == pytest.approx(figure if average else figure.tolist())


def test_a_class_that_nobody_has_and_nobody_predicts_counts_for_nothing():
    assert metrics.precision_recall_f1([[2, 0, 0], [0, 1, 0], [0, 0, 0]], "macro") == (1.0, 1.0, 1.0)


def test_counts_by_hand():
    matrix = metrics.confusion_matrix([0, 0, 0, 1, 2], [0, 0, 1, 1, 0], classes=4)
    assert matrix == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    precision, recall, f1 = metrics.precision_recall_f1(matrix)
    assert precision == [2 / 3, 1 / 2, 0.0, 0.0]
    assert recall == [2 / 3, 1.0, 0.0, 0.0]
    assert f1 == pytest.approx([2 / 3, 2 / 3, 0.0, 0.0])


def test_top_1_is_accuracy_with_ties_and_a_score_that_is_nan_is_never_right():
    scores = cnnkit.tensor(np.array([[1, 1, 0], [1, 1, 0], [np.nan, 0, 0], [0, np.nan, 1]], np.float32))
    for k, expected in ((1, 0.25), (2, 0.75)):  # right: image 0; with two, 1 and 3 too
        metric = metrics.TopKAccuracy(k)
        metric.update(scores, cnnkit.tensor([0, 1, 0, 2]))
        assert metric.compute() == expected


def test_metrics_are_numpys_on_every_backend(backend):
    for make in (metrics.Accuracy, lambda: metrics.TopKAccuracy(3), metrics.ConfusionMatrix, metrics.F1):
        computed = measured(make())
        with cnnkit.use("numpy"):
            assert computed == measured(make())


def test_a_metric_can_be_reset():
    metric = metrics.F1()
    first = measured(metric)
    metric.reset()
    assert measured(metric) == first
    assert metrics.Accuracy().compute() == 0.0


def test_fit_puts_the_metrics_into_the_history_and_its_lines():
    history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True),
                        validation=datasets.digits(train=False),
                        metrics=["f1", "top_3", "confusion_matrix", "f1_by_class"], progress=False)
    row = history[-1]
    assert np.sum(history["val_confusion_matrix"][0]) == 359
    assert np.trace(row.metrics["val_confusion_matrix"]) / 359 == row.val_accuracy
    assert np.mean(row.metrics["val_f1_by_class"]) == pytest.approx(row.metrics["val_f1"])
    assert (f"held-out f1 {row.metrics['val_f1']:.4f}, held-out top_3 {row.metrics['val_top_3']:.4f}"
            in str(row))
    assert row.val_accuracy < row.metrics["val_top_3"] <= 1


def test_evaluate_fills_metrics():
    matrix = metrics.ConfusionMatrix()
    scores = train.evaluate(models.CommonCNN((1, 8, 8)), datasets.digits(train=False), metrics=[matrix])
    assert np.trace(matrix.compute()) / 359 == scores.accuracy


@pytest.mark.parametrize(("make", "message"), [
    (lambda: metrics.TopKAccuracy(0), "k must be a whole number, 1 or more; got 0"),
    (lambda: metrics.F1("mean"), "average must be None, 'macro'"),
    (lambda: metrics.by_name(["auc"]), "no metric 'auc'; there are accuracy, "),
    (lambda: metrics.confusion_matrix([3], [0], classes=2), "label 3, but classes=2"),
    (lambda: metrics.Accuracy().update(cnnkit.tensor([[[1.0]]]), cnnkit.tensor([0])),
     "measures classifiers only"),
    (lambda: train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(), metrics=["f1"]),
     "give validation= too"),
])
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
