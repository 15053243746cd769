"""How evenly a dataset's samples are spread over its classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.data import description
from cnnkit.data.contracts import IndexedDataset

__all__ = ["ClassBalance", "class_balance", "labels_of"]


@dataclass(frozen=True)
class ClassBalance:
    """The report of `class_balance`.

    Attributes
    ----------
    classes : tuple of str
        The names of the classes.
    counts : ndarray of int64, shape (K,)
        The number of samples of each class.
    """

    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Each class's share of the samples, float64 (K,)."""
        return self.counts / self.counts.sum()

    @property
    def imbalance_ratio(self) -> float:
        """Samples of the largest class divided by those of the smallest; infinite where a class has none."""
        return float(self.counts.max() / self.counts.min()) if self.counts.min() else float("inf")

    @property
    def effective_classes(self) -> float:
        """The number of equal-sized classes that are as hard to predict: exp of the shares' entropy."""
        shares = self.shares[self.counts > 0]
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def weights(self) -> np.ndarray:
        """N / (K count), as ``class_weight="balanced"`` uses; 0 for an empty class. float64 (K,)."""
        present = self.counts > 0
        return np.divide(self.counts.sum() / np.count_nonzero(present), self.counts,
                         out=np.zeros(len(self.counts)), where=present)

    def as_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
        ratio = self.imbalance_ratio
        return {"classes": list(self.classes), "counts": self.counts.tolist(), "shares": self.shares.tolist(),
                "imbalance_ratio": ratio if np.isfinite(ratio) else None,
                "effective_classes": self.effective_classes}

    def __str__(self) -> str:
        width = max(map(len, ("class", *self.classes)))
        lines = [f"{'class':{width}}  {'samples':>9}  {'share':>6}  weight"]
        lines += [f"{name:{width}}  {count:9,}  {share:6.1%}  {weight:6.2f}"
                  for name, count, share, weight in zip(self.classes, self.counts, self.shares, self.weights)]
        return "\n".join([*lines, f"largest to smallest {self.imbalance_ratio:.3g} to 1; "
                                  f"as good as {self.effective_classes:.2f} classes of equal size"])


def class_balance(dataset: IndexedDataset) -> ClassBalance:
    """Count the samples of each class.

    Parameters
    ----------
    dataset : dataset, or sequence of int
        A dataset without `targets` is read sample by sample. Or the labels themselves.

    Raises
    ------
    ValueError
        If there are no labels, or they are no integers from 0.

    >>> print(class_balance([0, 1, 1, 1, 2, 1]))
    class    samples   share  weight
    0              1   16.7%    2.00
    1              4   66.7%    0.50
    2              1   16.7%    2.00
    largest to smallest 4 to 1; as good as 2.38 classes of equal size
    """
    labels = labels_of(dataset)
    names = description.class_names(dataset)
    classes = len(names or ())
    if labels.max() >= classes > 0:
        raise ValueError(f"label {labels.max()} is outside 0..{classes - 1}, the range of {classes} classes")
    counts = np.bincount(labels, minlength=classes)
    return ClassBalance(names if names else tuple(map(str, range(len(counts)))), counts)


def labels_of(dataset: IndexedDataset) -> np.ndarray:
    """The integer labels (N,) of a dataset, or an array of them as it is."""
    labels: Any = description.targets(dataset)
    if labels is None:
        labels = dataset
    if not isinstance(labels, np.ndarray):
        first = dataset[0] if len(dataset) else 0
        if isinstance(first, tuple):
            labels = [dataset[i][1] for i in range(len(dataset))]
    array = np.asarray(labels)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer) or array.min() < 0:
        raise ValueError("class labels must be integers from 0, one for each sample; "
                         f"got {array.dtype} of shape {array.shape}"
                         + (f" with {array.min()}" if array.size and array.dtype.kind in "if" else ""))
    return array
