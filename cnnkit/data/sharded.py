"""Batches cut into shards, of which a process reads only its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from cnnkit import random
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.loader import DataLoader
from cnnkit.data.on_device import TensorDataset
from cnnkit.distributed.tree import sizes_of

__all__ = ["ShardedBatch", "sharded"]


class ShardedBatch(NamedTuple):
    """A batch: how many samples each shard has, and the parts (x, y, ...) that this process has read."""

    sizes: Sequence[int]
    parts: dict[int, Any]


def sharded(loader: Any, shards: int, mine: range, read: Callable[[Any], tuple]) -> Iterator[ShardedBatch]:
    """The batches of the next epoch, cut into `shards`.

    Of a `DataLoader` over a dataset, each process loads the samples of its own shards alone, and augments
    each shard with a key of its own; shards of which nothing is drawn are loaded together. Any other loader
    is gone through as a whole by every process.

    Parameters
    ----------
    loader : Loader
    shards : int
        Into how many parts each batch is cut, by `tree.sizes_of`.
    mine : range
        The shards of this process.
    read : callable
        Makes a tuple of Tensors of what the loader gives, such as `Intake.read`.

    >>> from cnnkit.data import datasets
    >>> loader = DataLoader(datasets.digits(), batch_size=5)
    >>> batch = next(sharded(loader, 2, range(1, 2), tuple))
    >>> batch.sizes, {shard: y.tolist() for shard, (x, y) in batch.parts.items()}
    ([3, 2], {1: [3, 4]})
    """
    if isinstance(loader, DataLoader) and not loader.streaming:
        return _loaded(loader, shards, mine, read)
    return _cut(loader, shards, mine, read)


def _cut(loader: Any, shards: int, mine: range, read: Callable[[Any], tuple]) -> Iterator[ShardedBatch]:
    for batch in map(read, loader):
        sizes = sizes_of(batch[0].shape[0], shards)
        yield ShardedBatch(sizes, {shard: tuple(part[begin:end] for part in batch)
                                   for shard, begin, end in _places(sizes, mine)})


def _loaded(loader: DataLoader, shards: int, mine: range,
            read: Callable[[Any], tuple]) -> Iterator[ShardedBatch]:
    batches = [(indices, key, sizes_of(len(indices), shards)) for indices, key in loader.next_batches()]
    if _draws_nothing(loader):
        yield from _loaded_together(loader, batches, mine, read)
        return
    pieces = ((indices[begin:end], None if key is None else random.fold_in(key, shard))
              for indices, key, sizes in batches for shard, begin, end in _places(sizes, mine))
    loaded = loader.tensors(pieces)
    for _, _, sizes in batches:
        yield ShardedBatch(sizes, {shard: read(next(loaded)) for shard, _, _ in _places(sizes, mine)})


def _draws_nothing(loader: DataLoader) -> bool:
    """Whether it is known that no random number depends on which samples are loaded together."""
    dataset = loader.dataset
    plain = type(dataset) is TensorDataset or (type(dataset) is ArrayDataset and dataset.transform is None)
    return plain and loader.augment is None and loader.collate_fn is None


def _loaded_together(loader: DataLoader, batches: list, mine: range,
                     read: Callable[[Any], tuple]) -> Iterator[ShardedBatch]:
    """One piece for all shards of this process, cut afterwards: calls for each cost more than copies."""
    places = [list(_places(sizes, mine)) for _, _, sizes in batches]
    loaded = loader.tensors((indices[of_batch[0][1]:of_batch[-1][2]], key)
                            for (indices, key, _), of_batch in zip(batches, places) if of_batch)
    for (_, _, sizes), of_batch in zip(batches, places):
        whole = next(loaded) if of_batch else ()
        first = of_batch[0][1] if of_batch else 0
        yield ShardedBatch(sizes, {shard: read(tuple(part[begin - first:end - first] for part in whole))
                                   for shard, begin, end in of_batch})


def _places(sizes: Sequence[int], mine: range) -> Iterator[tuple[int, int, int]]:
    """Shard, begin and end of each of this process's shards that has a sample."""
    for shard in mine:
        begin = sum(sizes[:shard])
        if sizes[shard]:
            yield shard, begin, begin + sizes[shard]
