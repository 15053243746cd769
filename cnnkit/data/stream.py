"""Streams: data that can only be iterated, without a length or an index, shuffled as they pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice
from operator import length_hint
from types import FunctionType, GeneratorType
from typing import Any, NamedTuple

from cnnkit import random
from cnnkit.data.contracts import IndexedDataset
from cnnkit.random import Key

__all__ = ["Chunk", "IterableDataset", "chunks", "is_stream", "is_used_up", "mixed", "serves_once"]


class IterableDataset:
    """Samples that come one after the other: a subclass gives `__iter__`, over (image, label) pairs.

    `DataLoader` takes any iterable without a length and an index, and PyTorch's class of this name; this one
    tells `train.fit` that what comes out are samples, not batches. Each epoch begins with ``iter``; where the
    order of the samples is to differ from epoch to epoch, define ``set_epoch(epoch)`` too
    (`contracts.StreamWithEpochs`), or let the loader shuffle.

    Attributes
    ----------
    classes : tuple of str or None
        The names of the labels 0, 1, ..., where they are known.

    >>> import numpy
    >>> from cnnkit.data import DataLoader
    >>> class Squares(IterableDataset):
    ...     def __iter__(self):
    ...         return ((numpy.full((1, 2, 2), n * n, "float32"), n) for n in range(5))
    >>> [labels.tolist() for _, labels in DataLoader(Squares(), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    classes: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class Chunk(NamedTuple):
    """The samples of one batch of a stream, and their positions in the epoch."""

    samples: list[Any]
    positions: range


def is_stream(dataset: Any) -> bool:
    """Whether a dataset is an `IterableDataset`, PyTorch's too, or an iterable without a length or an index.

    >>> is_stream(iter([])), is_stream([])
    (True, False)
    """
    if any(kind.__name__ == "IterableDataset" for kind in type(dataset).__mro__):
        return True  # PyTorch's has an index that raises, and may have a length
    return isinstance(dataset, Iterable) and not isinstance(dataset, IndexedDataset)


def serves_once(data: Any) -> bool:
    """Whether data can be gone through only once: a generator, or another iterator that Python itself has.

    An iterator of a class of one's own may begin anew in its ``__iter__``.

    >>> serves_once(iter([1])), serves_once(n for n in range(3)), serves_once([1])
    (True, True, False)
    """
    return isinstance(data, Iterator) and not isinstance(type(data).__iter__, FunctionType)


def is_used_up(data: Any) -> bool:
    """Whether an iterator is known to give nothing more.

    >>> numbers = (n for n in range(3))
    >>> is_used_up(numbers), list(numbers), is_used_up(numbers)
    (False, [0, 1, 2], True)
    """
    if isinstance(data, GeneratorType):
        return data.gi_frame is None
    return serves_once(data) and length_hint(data, 1) == 0


def mixed(samples: Iterable[Any], size: int, key: Key) -> Iterator[Any]:
    """The samples in random order, by way of a buffer of `size` samples: each step takes one out at random.

    The order depends on the key and the number of samples only. A sample comes out at most ``size - 1``
    positions too early, and may come out any number of positions too late.

    >>> sorted(mixed(range(7), 3, random.key(0))), list(mixed(range(7), 1, random.key(0)))
    ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6])
    """
    stream = (sample for sample in samples)  # __iter__, which may begin anew, is called once
    buffer = list(islice(stream, size))
    slots = (int(slot) for block in count()
             for slot in random.randint(random.fold_in(key, 1 + block), 1024, 0, size))
    for sample, slot in zip(stream, slots):  # the stream first: at its end no draw is lost
        drawn, buffer[slot] = buffer[slot], sample
        yield drawn
    yield from (buffer[int(slot)] for slot in random.permutation(random.fold_in(key, 0), len(buffer)))


def chunks(samples: Iterable[Any], size: int, skipped: int, drop_last: bool) -> Iterator[Chunk]:
    """Batches of `size` samples, after `skipped` batches that are read and dropped."""
    stream = (sample for sample in samples)
    for _ in islice(stream, skipped * size):
        pass
    for first in count(skipped * size, size):
        chunk = list(islice(stream, size))
        if not chunk or (drop_last and len(chunk) < size):
            return
        yield Chunk(chunk, range(first, first + len(chunk)))
