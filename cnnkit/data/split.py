"""Splitting a dataset at random, by a seed; a stratified split gives every part its share of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit import random
from cnnkit.data.balance import labels_of
from cnnkit.data.contracts import IndexedDataset
from cnnkit.data.dataset import Subset
from cnnkit.foreign import plain

__all__ = ["random_split"]

_SPLIT = 2  # folded into the seed's key to draw splits; the loader's order folds in another number


def random_split(dataset: IndexedDataset, lengths: Sequence[int] | Sequence[float], seed: Any = 0, *,
                 stratify: Any = None, generator: random.Generator | None = None) -> list[Subset]:
    """Split a dataset at random into parts that do not overlap, as ``torch.utils.data.random_split`` does.

    Parameters
    ----------
    dataset : Dataset or sequence
        What to split; the parts share its data.
    lengths : sequence of int or of float
        How many samples each part gets; or fractions that sum to 1: each part gets the floor of its share,
        and the samples left over go one each to the first parts.
    seed : int
        The same seed gives the same parts. PyTorch's generator may stand in its place.
    stratify : bool or sequence, optional
        ``True``, or a class for each sample (as scikit-learn's): each part gets the same share of every
        class, to within one sample, whatever the classes' sizes are.
    generator : Generator, optional
        What to draw from, instead of a seed.

    Raises
    ------
    ValueError
        If the lengths do not sum to the dataset's, or the fractions to 1; if there is not one class
        for each sample.

    >>> import numpy
    >>> from cnnkit.data import datasets
    >>> [len(part) for part in random_split(datasets.digits(), [0.9, 0.1])]
    [1618, 179]
    >>> _, tenth = random_split(datasets.digits(), [0.9, 0.1], stratify=True)
    >>> numpy.bincount(tenth.targets).tolist()
    [18, 19, 18, 19, 18, 18, 18, 17, 17, 17]
    """
    n = len(dataset)
    lengths = [plain(length) for length in lengths]
    if any(length < 0 for length in lengths):
        raise ValueError(f"lengths={lengths}: no part can be smaller than nothing")
    counts = [int(length) for length in lengths]
    if any(isinstance(length, float) for length in lengths):
        if not math.isclose(sum(lengths), 1, abs_tol=1e-6):
            raise ValueError(f"fractions must sum to 1, but {lengths} sum to {sum(lengths):g}")
        counts = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    if sum(counts) != n:
        raise ValueError(f"lengths {counts} sum to {sum(counts)}, but the dataset has {n} samples")
    generator = seed if isinstance(seed, random.Generator) else generator
    key = random.fold_in(random.key(seed), _SPLIT) if generator is None else generator.next_key()
    order = random.permutation(key, n)
    if stratify is None or stratify is False:
        return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]
    labels = labels_of(dataset) if stratify is True else np.asarray(stratify)
    if labels.shape != (n,):
        raise ValueError(f"stratify takes one class for each of the {n} samples, "
                         f"got an array of shape {labels.shape}")
    classes, labels = np.unique(labels, return_inverse=True)
    shares = _shares(np.bincount(labels, minlength=len(classes)), counts)
    part_of = np.empty(n, np.int64)
    for label, share in enumerate(shares):
        part_of[order[labels[order] == label]] = np.repeat(np.arange(len(counts)), share)
    return [Subset(dataset, order[part_of[order] == part]) for part in range(len(counts))]


def _shares(rows: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Whole numbers with these row and column sums, each within 1 of rows x columns / n.

    The quotients are rounded down, and some get 1 back: which ones is a flow from rows to columns, found by
    augmenting paths. Such a flow always exists, for the fractions are one.

    >>> _shares(np.array([3, 1, 1]), [2, 2, 1]).tolist()
    [[1, 1, 1], [0, 1, 0], [1, 0, 0]]
    """
    n = max(1, int(rows.sum()))
    # Python's integers: no rounding, no overflow
    exact = np.outer(rows.astype(object), np.array(columns, object))
    shares, rounded = (exact // n).astype(np.int64), (exact % n > 0).astype(bool)
    capacity = np.array(columns) - shares.sum(axis=0)
    holders: list[set[int]] = [set() for _ in columns]

    def assign(row: int, visited: set[int]) -> bool:
        """Give a row one more column, by moving others where the column is full."""
        for column in map(int, np.flatnonzero(rounded[row])):
            if column in visited or row in holders[column]:
                continue
            visited.add(column)
            for other in [None] if len(holders[column]) < capacity[column] else sorted(holders[column]):
                if other is None or assign(other, visited):
                    holders[column] -= {other}
                    holders[column].add(row)
                    return True
        return False

    for row, missing in enumerate(rows - shares.sum(axis=1)):
        for _ in range(int(missing)):
            assert assign(row, set())
    for column, rounded_up in enumerate(holders):
        shares[sorted(rounded_up), column] += 1
    return shares
