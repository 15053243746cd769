"""Samplers that are iterated, as PyTorch's are: its base class, and those that it has itself.

What they draw from `cnnkit.random` depends on the loader's seed, the epoch and the batch's number alone:
`cnnkit.utils.data.DataLoader` iterates them with a generator of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

from cnnkit import random

__all__ = ["BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler"]

Item_co = TypeVar("Item_co", covariant=True)


class Sampler(Generic[Item_co]):
    """Base of samplers: a subclass gives `__iter__`, over indices of a dataset, and ``__len__``.

    Parameters
    ----------
    data_source : optional
        Ignored, as PyTorch ignores it.

    >>> class Backwards(Sampler):
    ...     def __init__(self, dataset):
    ...         self.dataset = dataset
    ...     def __iter__(self):
    ...         return reversed(range(len(self)))
    ...     def __len__(self):
    ...         return len(self.dataset)
    >>> list(Backwards("abc"))
    [2, 1, 0]
    """

    def __init__(self, data_source: Any = None):
        pass

    def __iter__(self) -> Iterator[Item_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler[int]):
    """All samples in the dataset's order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    data_source: Sized

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Samples in random order.

    Parameters
    ----------
    data_source : Dataset
        Only its length is used.
    replacement : bool
        Whether a sample may come several times before others have come.
    num_samples : int, optional
        How many an epoch has; all by default.
    generator : Generator, optional
        What to draw from, instead of `cnnkit.random`'s.

    >>> sorted(RandomSampler("abc")), len(RandomSampler("abc", num_samples=7))
    ([0, 1, 2], 7)
    """

    data_source: Sized
    replacement: bool

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
                 generator: random.Generator | None = None):
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = None if num_samples is None else operator.index(num_samples)
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {self.num_samples}")

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        source, wanted = self.generator or random, self.num_samples
        samples = len(self.data_source)
        while wanted > 0:
            key, count = source.next_key(), min(wanted, samples)
            order = random.randint(key, count, 0, samples) if self.replacement else random.permutation(
                key, samples)[:count]
            yield from order.tolist()
            wanted -= count

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Some samples, in random order.

    Parameters
    ----------
    indices : sequence of int
        Which.
    generator : Generator, optional
        What to draw from, instead of `cnnkit.random`'s.

    >>> sorted(SubsetRandomSampler([7, 3]))
    [3, 7]
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: random.Generator | None = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        order = random.permutation((self.generator or random).next_key(), len(self.indices))
        return (self.indices[i] for i in order.tolist())

    def __len__(self) -> int:
        return len(self.indices)


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler in lists of `batch_size`, for ``DataLoader(batch_sampler=...)``.

    >>> list(BatchSampler(SequentialSampler("abcde"), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    sampler: Iterable[int]
    batch_size: int
    drop_last: bool

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.sampler, self.batch_size, self.drop_last = sampler, operator.index(batch_size), drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)
