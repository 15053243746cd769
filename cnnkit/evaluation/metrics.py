"""Metrics of a classifier: accuracy, top-k accuracy, confusion matrix; precision, recall and F1 by class.

They are those of scikit-learn. `update` does not wait for the device: predictions stay there until `compute`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of
from cnnkit.foreign import device_of, whole

__all__ = ["F1", "Accuracy", "ConfusionMatrix", "Metric", "Precision", "Recall", "TopKAccuracy", "by_name",
           "confusion_matrix", "precision_recall_f1"]

Matrix = list[list[int]]


class Metric:
    """A figure that is accumulated over batches; a subclass defines `update`, `compute` and `reset`.

    Attributes
    ----------
    higher_is_better : bool or None
        Which way is better, for `EarlyStopping` and others that watch the figure; ``None``: neither.
    """

    higher_is_better: ClassVar[bool | None] = None

    def update(self, output: Tensor, target: Tensor) -> None:
        """Add a batch: scores (N, classes) and labels (N,)."""
        raise NotImplementedError

    def compute(self) -> Any:
        """The figure of all batches since `reset`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError


class TopKAccuracy(Metric):
    """The share of images whose class has one of the `k` highest scores; ties go to the lower class index.

    Images whose label is no class, such as -100, do not count.

    >>> from cnnkit import tensor
    >>> metric = TopKAccuracy(2)
    >>> metric.update(tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), tensor([1, 2]))
    >>> metric.compute()
    0.5
    """

    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, k: int = 5):
        self.k: int = whole("k", k)
        self.reset()

    def update(self, output: Tensor, target: Tensor) -> None:
        _check_shapes(output, target)
        scores, labels = output.array, target.array
        xp = backend_of(scores).namespace
        classes = xp.arange(scores.shape[1], dtype=labels.dtype, device=device_of(scores))
        is_label = classes[None, :] == labels[:, None]
        label_scores = xp.sum(xp.where(is_label, scores, xp.zeros_like(scores)), axis=1, keepdims=True)
        # NaN ranks above everything
        higher = (~(scores <= label_scores)
                  | ((scores == label_scores) & (classes[None, :] < labels[:, None])))
        rank, counted = xp.sum(xp.astype(higher, xp.int32), axis=1), xp.any(is_label, axis=1)
        right = counted & (rank < self.k)
        self._counts.append([xp.sum(xp.astype(rows, xp.int32)) for rows in (right, counted)])

    def compute(self) -> float:
        right, counted = (sum(int(backend_of(n).to_numpy(n)) for n in column)
                          for column in zip(*self._counts, strict=True)) if self._counts else (0, 0)
        return right / max(counted, 1)

    def reset(self) -> None:
        self._counts: list[Any] = []  # of each batch, the right answers and the images


class Accuracy(TopKAccuracy):
    """The share of images whose class has the highest score.

    >>> from cnnkit import tensor
    >>> metric = Accuracy()
    >>> metric.update(tensor([[0.9, 0.1], [0.8, 0.2]]), tensor([0, 1]))
    >>> metric.compute()
    0.5
    """

    def __init__(self) -> None:
        super().__init__(1)


class ConfusionMatrix(Metric):
    """How many images of class i were predicted as class j: row i, column j.

    >>> from cnnkit import tensor
    >>> metric = ConfusionMatrix()
    >>> metric.update(tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), tensor([0, 1, 1]))
    >>> metric.compute()
    [[1, 0], [1, 1]]
    """

    def __init__(self) -> None:
        self.reset()

    def update(self, output: Tensor, target: Tensor) -> None:
        _check_shapes(output, target)
        scores = output.array
        self._classes = scores.shape[1]
        self._unread.append((target.array, backend_of(scores).namespace.argmax(scores, axis=1)))

    def matrix(self) -> Matrix:
        """The counts, as lists of Python ints."""
        for pair in self._unread:
            self._count.update(zip(*(backend_of(labels).to_numpy(labels).tolist() for labels in pair)))
        self._unread.clear()
        return [[self._count[i, j] for j in range(self._classes)] for i in range(self._classes)]

    def compute(self) -> Any:
        return self.matrix()

    def reset(self) -> None:
        self._unread: list[tuple[Any, Any]] = []
        self._count: Counter = Counter()
        self._classes = 0


class _Averaged(ConfusionMatrix):
    """A figure of each class, or its mean over the classes."""

    higher_is_better: ClassVar[bool | None] = True
    figure_index = 0  # into the results of `precision_recall_f1`

    def __init__(self, average: str | None = "macro"):
        _check_average(average)
        self.average = average
        super().__init__()

    def compute(self) -> Any:
        return precision_recall_f1(self.matrix(), self.average)[self.figure_index]


class Precision(_Averaged):
    """The share of true members among the images predicted as a class; ``average=None`` gives a list."""


class Recall(_Averaged):
    """The share of a class's images that are predicted as it; ``average=None`` gives a list, one a class."""

    figure_index = 1


class F1(_Averaged):
    """The harmonic mean of precision and recall; ``average=None`` gives a list, one figure a class."""

    figure_index = 2


def confusion_matrix(target: Iterable[int], predicted: Iterable[int], classes: int | None = None) -> Matrix:
    """How many images of class i were predicted as class j.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1])
    [[1, 1], [0, 1]]
    """
    pairs = [(int(i), int(j)) for i, j in zip(target, predicted, strict=True)]
    count, largest = Counter(pairs), max((max(pair) for pair in pairs), default=-1)
    n = largest + 1 if classes is None else classes
    if largest >= n:
        raise ValueError(f"there is a label {largest}, but classes={classes}; "
                         "labels go from 0 to one less than their number")
    return [[count[i, j] for j in range(n)] for i in range(n)]


def precision_recall_f1(matrix: Sequence[Sequence[int]], average: str | None = None) -> tuple[Any, Any, Any]:
    """Precision, recall and F1 from a confusion matrix.

    Parameters
    ----------
    matrix : list of list of int
        Rows are the true classes.
    average : {None, "macro", "micro", "weighted"}
        ``None`` gives three lists with a figure a class; ``"macro"`` the means over the classes that occur;
        ``"weighted"`` those weighted by the images of each; ``"micro"`` counts all images alike. The figure
        of a class without images, or without predictions, is 0.

    >>> precision_recall_f1([[1, 1], [0, 2]])[0]
    [1.0, 0.6666666666666666]
    """
    _check_average(average)
    right = [row[i] for i, row in enumerate(matrix)]
    true, predicted = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix)]
    if average == "micro":
        accuracy = _share(sum(right), sum(true))
        return accuracy, accuracy, accuracy
    figures = ([_share(r, n) for r, n in zip(right, predicted)], [_share(r, n) for r, n in zip(right, true)],
               [_share(2 * r, t + n) for r, t, n in zip(right, true, predicted)])
    if average is None:
        return figures
    weights = true if average == "weighted" else [int(t + n > 0) for t, n in zip(true, predicted)]
    precision, recall, f1 = (_share(sum(w * v for w, v in zip(weights, values)), sum(weights))
                             for values in figures)
    return precision, recall, f1


NAMES = {"accuracy": Accuracy, "confusion_matrix": ConfusionMatrix, "precision": Precision, "recall": Recall,
         "f1": F1, "precision_by_class": lambda: Precision(None), "recall_by_class": lambda: Recall(None),
         "f1_by_class": lambda: F1(None)}


def by_name(metrics: Iterable[str | Metric] | dict[str, Metric]) -> dict[str, Metric]:
    """The metrics of ``fit(metrics=...)``: names of `NAMES`, ``"top_5"`` with any number, or metrics.

    >>> list(by_name(["f1", "top_3", Precision("micro")]))
    ['f1', 'top_3', 'precision']
    """
    if isinstance(metrics, dict):
        return dict(metrics)
    selected: dict[str, Metric] = {}
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        if isinstance(metric, Metric):
            selected[type(metric).__name__.lower()] = metric
        elif (made := _made(metric)) is not None:
            selected[metric] = made
        else:
            raise ValueError(f"there is no metric {metric!r}; there are {', '.join(NAMES)}, "
                             "and top_5 with any number")
    return selected


def declared(name: str) -> bool | None:
    """Whether higher values of a metric with this name are better; ``None`` where that is not declared.

    >>> declared("f1"), declared("confusion_matrix"), declared("mine")
    (True, None, None)
    """
    metric = _made(name)
    return None if metric is None else metric.higher_is_better


def _made(name: str) -> Metric | None:
    match = re.fullmatch(r"top_(\d+)", name)
    if match is not None:
        return TopKAccuracy(int(match[1]))
    return NAMES[name]() if name in NAMES else None


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _check_shapes(output: Tensor, target: Tensor) -> None:
    if output.ndim != 2 or target.ndim != 1:
        raise ValueError("this metric is for scores (N, classes) and labels (N,), "
                         f"got {output.shape} and {target.shape}; it measures classifiers only")


def _check_average(average: str | None) -> None:
    if average not in (None, "macro", "micro", "weighted"):
        raise ValueError(f"average must be None, 'macro', 'micro' or 'weighted', got {average!r}")
