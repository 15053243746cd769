"""The report of class balance counts the labels of a dataset, wherever it keeps them."""

import math

import numpy as np
import pytest

from cnnkit.data import ArrayDataset, Subset, class_balance


@pytest.mark.parametrize("wrap", [
    list, np.array, lambda y: ArrayDataset(np.zeros((len(y), 2, 2)), y, 3),
    lambda y: Subset(ArrayDataset(np.zeros((len(y), 2, 2)), y, 3), range(len(y))),
    lambda y: [(None, label) for label in y],
], ids=["list", "array", "dataset", "subset", "samples"])
def test_labels_are_found_and_counted(wrap):
    report = class_balance(wrap([0, 2, 2, 2, 1, 2, 2, 2]))
    assert report.counts.tolist() == [1, 1, 6]
    assert report.imbalance_ratio == 6
    assert report.shares.tolist() == [1 / 8, 1 / 8, 6 / 8]
    np.testing.assert_allclose(report.weights, [8 / 3, 8 / 3, 8 / 18])
    assert math.isclose(report.effective_classes, 8 ** 0.25 * (4 / 3) ** 0.75)


def test_classes_of_equal_size_count_in_full_and_an_empty_one_makes_the_ratio_infinite():
    assert class_balance([0, 1, 2, 3] * 5).effective_classes == pytest.approx(4)
    report = class_balance(ArrayDataset(np.zeros((2, 2, 2)), [0, 0], ["a", "b"]))
    assert (report.imbalance_ratio, report.effective_classes) == (math.inf, 1)
    assert report.weights.tolist() == [1, 0]
    assert report.as_dict()["imbalance_ratio"] is None
    assert "b" in str(report)


@pytest.mark.parametrize("labels", [[], [0.5, 1.0], [[0, 1]], [-1, 0]])
def test_values_that_are_no_labels_are_refused(labels):
    with pytest.raises(ValueError, match="class labels must be integers from 0"):
        class_balance(labels)
