"""The batch rule: training data are a set of weighted rows, and batches are drawn from that set.

1. Rows of weight 0 are left out; rows that are equal, target included, are one row with the sum of
   their weights.
2. The rows are ordered by a digest of their contents, and each epoch takes them in a random order that
   the seed and the number of the epoch give, in ceil(n / batch_size) batches of equal size (one row
   more or less).
3. A batch's loss is sum(w * l) / sum(w).

So whoever gives a row the weight 3 and whoever repeats it three times trains on the same set, in the same
batches, and gets the same bits; and so does whoever gives the rows in another order. It holds for any
data, any `batch_size` and any network, with dropout or batch norm too, because nothing after step 1 can
tell the two apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit import random
from cnnkit.autograd import Tensor

__all__ = ["Batches", "Moments", "distinct", "moments"]

CHUNK = 256  # rows at a time, where nothing but a sum is kept
# times the largest weight: what a weight is at least, so that no batch's float32 weights sum to 0
FAINTEST = 1e-30


def distinct(rows: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of a weighted set.

    Parameters
    ----------
    rows, targets : array, (N, F) and (N, ...)
        Two rows are equal if their pixels and targets are, byte for byte (SHA-256 is taken for the bytes).
    weights : array, (N,)
        All positive.

    Returns
    -------
    first : array of int
        Where each distinct row is first found, in the order of the digests.
    weights : array
        The sum of the weights of all rows equal to it.

    >>> first, weights = distinct(np.array([[1.0], [2.0], [1.0], [3.0]]), np.array([0, 1, 0, 1]), np.array([1, 1, 2, 5]))
    >>> sorted(zip(first.tolist(), weights.tolist()))
    [(0, 3.0), (1, 1.0), (3, 5.0)]
    """
    digests = b"".join(hashlib.sha256(row.tobytes() + target.tobytes()).digest()
                       for row, target in zip(rows, targets))
    _, first, group = np.unique(np.frombuffer(digests, "V32"), return_index=True, return_inverse=True)
    return first, np.bincount(group, weights)


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation, one a channel (or target); a deviation that is 0 is taken for 1."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def standardised(self, images: np.ndarray, dtype: str) -> np.ndarray:
        """(N, C, ...) with the mean taken away, divided by the deviation: a new array in C order."""
        shape = -1, *(1,) * (images.ndim - 2)
        mean, scale = (np.asarray(values, dtype).reshape(shape) for values in (self.mean, self.scale))
        new = np.subtract(images, mean, order="C", dtype=dtype)
        return np.divide(new, scale, out=new)


def moments(images: np.ndarray, weights: np.ndarray) -> Moments:
    """Weighted mean and standard deviation of each channel of (N, C, ...), in float64.

    >>> moments(np.array([[1.0], [4.0]]), np.array([2.0, 1.0]))
    Moments(mean=(2.0,), scale=(1.4142135623730951,))
    """
    share = weights / weights.sum()
    axes = tuple(range(2, images.ndim))

    def average(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        total = np.zeros(images.shape[1])
        for at in range(0, len(images), CHUNK):
            total += share[at:at + CHUNK] @ of(np.asarray(images[at:at + CHUNK], np.float64)).mean(axis=axes)
        return total

    mean = average(lambda x: x)
    scale = np.sqrt(average(lambda x: (x - mean.reshape(-1, *(1,) * len(axes))) ** 2))
    scale[scale <= 10 * np.finfo(images.dtype).eps * np.abs(mean)] = 1  # a constant, but for rounding
    return Moments(tuple(mean.tolist()), tuple(scale.tolist()))


class Batches:
    """Batches ``(images, targets, weights)`` of weighted rows: what `train.fit` takes for a loader.

    Parameters
    ----------
    images, targets, weights : array, (N, C, H, W), (N, ...) and (N,)
        Of the distinct rows.
    pixels : Moments
        What the images are standardised with.
    batch_size : int
        The most rows in a batch.
    place : callable
        Makes a Tensor of a host array, beside the network.
    key : key, optional
        Where the orders come from; without it the rows keep their order.
    dtype : str
        Of images and weights, and of targets that are not integers.
    """

    def __init__(self, images: np.ndarray, targets: np.ndarray,
                 weights: np.ndarray, pixels: Moments, batch_size: int,
                 place: Callable[[np.ndarray], Tensor], key: Any = None, dtype: str = "float32"):
        self.images, self.pixels, self.place, self.key, self.dtype = images, pixels, place, key, dtype
        self.targets = targets if targets.dtype == np.int64 else targets.astype(dtype)
        self.weights = np.maximum(weights / weights.max(), FAINTEST).astype(dtype)
        self.count = -(-len(images) // batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self.count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        n = len(self.images)
        order = (np.arange(n) if self.key is None
                 else random.permutation(random.fold_in(self.key, self.epoch), n))
        self.epoch += 1
        for chosen in np.array_split(order, self.count):
            yield (self.place(self.pixels.standardised(self.images[chosen], self.dtype)),
                   self.place(self.targets[chosen]), self.place(self.weights[chosen]))
