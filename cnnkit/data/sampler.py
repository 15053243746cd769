"""Samplers: which samples an epoch takes, where it does not take each exactly once."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cnnkit import random
from cnnkit.data import description
from cnnkit.data.contracts import Sampler
from cnnkit.random import Key

__all__ = ["WeightedRandomSampler", "checked_sampler"]


class WeightedRandomSampler:
    """Samples drawn with a probability for each, as ``torch.utils.data.WeightedRandomSampler`` does.

    For ``DataLoader(dataset, sampler=...)``. The order depends on the loader's key and the epoch only, so
    that a run that is resumed goes on with the same samples.

    Parameters
    ----------
    weights : sequence of float
        One for each sample of the dataset; they need not sum to 1.
    num_samples : int
        How many samples an epoch has.
    replacement : bool
        Whether a sample may come several times in an epoch. Without it, samples are drawn one after the other
        from those that are left (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

    Raises
    ------
    ValueError
        If a weight is negative or no finite number, all are 0, or more samples are requested without
        replacement than have a weight above 0.

    >>> from cnnkit import data
    >>> digits = data.datasets.digits()
    >>> weight = data.class_balance(digits).weights  # of each class: the rarer, the more
    >>> sampler = data.WeightedRandomSampler(weight[digits.targets], len(digits))
    >>> loader = data.DataLoader(digits, batch_size=32, sampler=sampler, seed=0)
    >>> len(loader)
    57
    """

    num_samples: int
    replacement: bool

    def __init__(self, weights: Sequence[float] | np.ndarray, num_samples: int, replacement: bool = True):
        self.weights: np.ndarray = np.asarray(weights, np.float64)
        self.num_samples, self.replacement = operator.index(num_samples), replacement
        if (self.weights.ndim != 1 or not np.isfinite(self.weights).all() or (self.weights < 0).any()
                or not self.weights.any()):
            raise ValueError(
                "weights must be finite numbers of 0 or more, one for each sample and not all 0; got "
                f"{self.weights if self.weights.size < 10 else f'an array of shape {self.weights.shape}'}")
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        nonzero = np.count_nonzero(self.weights)
        if not replacement and self.num_samples > nonzero:
            raise ValueError(f"{num_samples} samples cannot be drawn without replacement from "
                             f"{nonzero} with a weight above 0")

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw_indices(random.next_key()).tolist())

    def draw_indices(self, key: Key) -> np.ndarray:
        """The indices of an epoch's samples, (num_samples,) int64."""
        if self.replacement:
            cumulative = np.cumsum(self.weights)
            draws = random.uniform_between(key, self.num_samples, 0, 1, "float64", backend=_numpy())
            draws = draws * cumulative[-1]
            # rounding may lead past the last sample whose weight is not 0
            last = np.flatnonzero(self.weights)[-1]
            return np.minimum(np.searchsorted(cumulative, draws, side="right"), last)
        candidates = np.flatnonzero(self.weights)
        draws = random.uniform_between(key, len(self.weights), 0, 1, "float64", backend=_numpy())[candidates]
        order = np.argsort(-np.log(draws) / self.weights[candidates], kind="stable")
        return candidates[order[:self.num_samples]]


def _numpy() -> Any:
    from cnnkit import backends

    return backends.get("numpy")


def checked_sampler(sampler: Sampler | Sequence[int] | np.ndarray, shuffle: bool,
                    samples: int | None) -> Sampler | np.ndarray:
    """A loader's sampler, if it fits a dataset of so many samples, `None` of a stream; indices as an array.

    Raises
    ------
    ValueError, TypeError
        If it does not, or its draws could not be repeated.

    >>> checked_sampler([2, 0], False, 3)
    array([2, 0])
    """
    if shuffle or samples is None:
        raise ValueError("a sampler says which samples come in which order; it does not go with "
                         f"{'shuffle=True' if shuffle else 'a stream'}")
    if isinstance(sampler, WeightedRandomSampler) and len(sampler.weights) != samples:
        raise ValueError(f"the sampler has {len(sampler.weights)} weights, but the dataset {samples} samples")
    if isinstance(sampler, Sampler):
        return sampler
    if not description.indexed(sampler):
        raise TypeError("sampler takes a WeightedRandomSampler, another object with draw_indices(key) "
                        f"and len, or indices; got a {type(sampler).__name__}, whose draws a resumed run "
                        "could not repeat")
    indices = np.asarray(sampler)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or ((indices >= samples) | (indices < 0)).any():
        raise ValueError(f"a sampler's indices must be whole numbers from 0 to {samples - 1}")
    return indices
