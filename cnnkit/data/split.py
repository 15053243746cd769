"""Splitting a dataset into parts at random, by a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit import random
from cnnkit.data.dataset import Subset

__all__ = ["random_split"]

_SPLIT = 2  # the stream of the seed's key that splits are drawn from; the loader's order takes another


def random_split(dataset: Any, lengths: Sequence[int] | Sequence[float], seed: int = 0) -> list[Subset]:
    """Split a dataset at random into parts that do not overlap, as ``torch.utils.data.random_split`` does.

    Parameters
    ----------
    dataset : Dataset or sequence
        What to split; the parts share its data.
    lengths : sequence of int or of float
        How many samples each part gets; or fractions that sum to 1: each part gets the floor of its share, and the
        samples left over go one each to the first parts.
    seed : int
        The same seed gives the same parts.

    Raises
    ------
    ValueError
        If the lengths do not sum to the dataset's, or the fractions to 1.

    >>> from cnnkit.data import datasets
    >>> [len(part) for part in random_split(datasets.digits(), [0.9, 0.1])]
    [1618, 179]
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"lengths={list(lengths)}: no part can be smaller than nothing")
    counts = [int(length) for length in lengths]
    if any(isinstance(length, float) for length in lengths):
        if not math.isclose(sum(lengths), 1, abs_tol=1e-6):
            raise ValueError(f"fractions must sum to 1, but {list(lengths)} sum to {sum(lengths):g}")
        counts = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    if sum(counts) != n:
        raise ValueError(f"lengths {counts} sum to {sum(counts)}, but the dataset has {n} samples")
    order = random.permutation(random.fold_in(random.key(seed), _SPLIT), n)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]
