"""DistributedSampler: each rank its part of a dataset, for training loops of one's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np

from cnnkit import distributed, random
from cnnkit.foreign import whole
from cnnkit.random import Key

__all__ = ["DistributedSampler"]


class DistributedSampler:
    """Every rank gets as many samples, and together all, as ``torch.utils.data.DistributedSampler`` does.

    `train.fit` needs none: it deals the samples of each batch by itself.

    Parameters
    ----------
    dataset : Dataset
        Whose samples are dealt; only its length is used.
    num_replicas, rank : int, optional
        How many parts there are and which is this one; by default the ranks'.
    shuffle : bool
        Draw an order for each epoch, which `set_epoch` counts.
    seed : int
        Of these orders, the same on every rank.
    drop_last : bool
        Leave out the last samples where they do not go round, instead of taking the first ones twice.

    >>> sampler = DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False)
    >>> list(sampler), len(sampler)
    ([1, 3, 0], 3)
    """

    dataset: Sized
    drop_last: bool
    seed: int
    shuffle: bool
    num_replicas: int
    num_samples: int

    def __init__(self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None,
                 shuffle: bool = True, seed: int = 0, drop_last: bool = False):
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.num_replicas = distributed.world_size() if num_replicas is None else whole("num_replicas",
                                                                                        num_replicas)
        self.rank: int = distributed.rank() if rank is None else whole("rank", rank, 0)
        if self.rank >= self.num_replicas:
            raise ValueError(f"rank={self.rank} is no rank: there are num_replicas={self.num_replicas}, "
                             "counted from 0")
        self.epoch: int = 0
        count = len(dataset)
        self.num_samples = (count // self.num_replicas if drop_last else math.ceil(count / self.num_replicas))
        if not self.num_samples:
            raise ValueError(f"{count} samples are too few for {self.num_replicas} ranks"
                             + ("; drop_last=False gives each one" if count else ""))
        self.total_size: int = self.num_samples * self.num_replicas

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw_indices().tolist())

    def draw_indices(self, key: Key | None = None) -> np.ndarray:
        """This rank's samples in the epoch that `set_epoch` has named; a loader's `key` plays no part."""
        count = len(self.dataset)
        order = (random.permutation(random.fold_in(random.key(self.seed), self.epoch), count)
                 if self.shuffle else np.arange(count))
        return np.resize(order, self.total_size)[self.rank::self.num_replicas]

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch from now on; without a call all epochs have the first one's."""
        self.epoch = whole("epoch", epoch, 0)
