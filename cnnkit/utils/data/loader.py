"""PyTorch's DataLoader: its arguments, and batches of whatever structure the samples have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from cnnkit import data, random
from cnnkit.autograd import Tensor, tensor
from cnnkit.data.contracts import Sampler as KeyedSampler
from cnnkit.data.dataset import Dataset, Subset
from cnnkit.data.drawing import drawing, each_drawing
from cnnkit.data.iterated import BatchSampler, RandomSampler, SequentialSampler
from cnnkit.data.stream import Chunk
from cnnkit.utils.data.collating import default_collate
from cnnkit.utils.data.tensor_dataset import TensorDataset

__all__ = ["DataLoader"]

_SAMPLER = 1 << 60  # folded into an epoch's key for what a sampler draws; batches fold in their numbers


class DataLoader(data.DataLoader):
    """Batches of a dataset, as ``torch.utils.data.DataLoader`` makes them.

    `cnnkit.data.DataLoader` makes batches of images and labels, checks them and scales pictures. This one
    takes samples of any structure and joins them by `default_collate`, or by `collate_fn`, whose result is
    given as it is. Datasets of `cnnkit.data` that make batches themselves (`ArrayDataset`, `digits`, folders)
    do so here too.

    Parameters
    ----------
    dataset : Dataset, sequence or IterableDataset
        The samples.
    batch_size : int
        Samples a batch.
    shuffle : bool, optional
        Draw a new order for each epoch.
    sampler : iterable of int, optional
        Which samples an epoch takes; iterated anew for each epoch, so it may be endless.
    batch_sampler : iterable of sequences of int, optional
        Which samples each batch has; goes without `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int
        Threads of this process that make batches while you compute. The dataset must be thread-safe.
    collate_fn : callable, optional
        Makes a batch of a list of samples.
    drop_last : bool
        Leave out the last batch where it is smaller than the others.
    generator : Generator, optional
        What the orders are drawn from; `seed` says the same.
    prefetch_factor : int, optional
        How many batches each thread may be ahead.
    pin_memory, timeout, worker_init_fn, multiprocessing_context, persistent_workers, pin_memory_device, \
in_order
        Accepted, and of no effect: copies are pinned by the backend that needs it, workers are threads that
        share this process's memory, and batches always come in order.
    seed : int, optional
        Where the orders come from, instead of `cnnkit.random`.
    backend : str, optional
        Where Tensors go; by default they stay where the dataset, or `cnnkit.use`, makes them.

    Raises
    ------
    ValueError
        If arguments exclude one another, or the dataset is empty.

    >>> loader = DataLoader([{"x": 0.5, "name": "a"}, {"x": 1.5, "name": "b"}], batch_size=2, pin_memory=True)
    >>> next(iter(loader))
    {'x': tensor([0.5, 1.5], dtype=float64), 'name': ['a', 'b']}
    """

    batch_sampler: Iterable[Any] | None

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
                 sampler: Iterable[int] | None = None, batch_sampler: Iterable[Any] | None = None,
                 num_workers: int = 0, collate_fn: Callable[[list], Any] | None = None,
                 pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
                 worker_init_fn: Callable | None = None, multiprocessing_context: Any = None,
                 generator: random.Generator | None = None, *, prefetch_factor: int | None = None,
                 persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True,
                 seed: int | None = None, backend: Any = None, buffer_size: int = 1000):
        if batch_sampler is not None and (batch_size not in (None, 1) or shuffle or sampler is not None
                                          or drop_last):
            raise ValueError("batch_sampler says what is in each batch; it goes without batch_size, shuffle, "
                             "sampler and drop_last")
        if batch_size is None and batch_sampler is None:
            raise ValueError("batch_size=None, samples without a batch, is not here: go through the dataset")
        if sampler is not None and shuffle:
            raise ValueError("sampler says which samples come in which order; it goes without shuffle=True")
        if generator is not None and seed is None:
            low, high = generator.next_key()
            seed = low | high << 32
        keyed = sampler if isinstance(sampler, KeyedSampler | np.ndarray | list | tuple) else None
        super().__init__(dataset, 1 if batch_size is None else batch_size, bool(shuffle), drop_last,
                         num_workers=num_workers, prefetch_factor=prefetch_factor if num_workers else None,
                         seed=seed, backend=backend, collate_fn=collate_fn, buffer_size=buffer_size,
                         sampler=keyed)
        self.batch_sampler, self.generator, self.pin_memory = batch_sampler, generator, pin_memory
        if keyed is None:
            self.given_sampler = sampler
        if self._key is None and (self.given_sampler is not None or batch_sampler is not None):
            self._key = random.next_key() if seed is None else random.key(seed)

    @property
    def sampler(self) -> Any:
        """What says which samples come: what was given, or PyTorch's sampler of the same order."""
        if self.given_sampler is not None or self.streaming:
            return self.given_sampler
        return (RandomSampler if self.shuffle else SequentialSampler)(self._indexed())

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        batches: Any = self.batch_sampler
        return super().__len__() if batches is None else len(batches)

    def next_batches(self) -> Iterator[tuple[Any, random.Key]]:
        """Begin the next epoch: indices (or a stream's samples) and key of each batch not skipped."""
        if self.batch_sampler is not None:
            batches: Iterable[Any] = self.batch_sampler
        elif self.given_sampler is None or isinstance(self.given_sampler, KeyedSampler | np.ndarray):
            return super().next_batches()
        else:
            batches = BatchSampler(self.given_sampler, self.batch_size, self.drop_last)
        key, skipped = random.fold_in(self._key or random.next_key(), self.epoch), self._skipped
        self.epoch, self._skipped = self.epoch + 1, 0
        drawn = islice(each_drawing(batches, random.fold_in(key, _SAMPLER)), skipped, None)
        return ((np.asarray(batch, np.int64), random.fold_in(key, n))
                for n, batch in enumerate(drawn, skipped))

    def tensors(self, batches: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
        """Load batches, of which `next_batches` has given the indices and keys, or parts of them."""
        if self.collate_fn is None and not self.streaming and _makes_batches(self.dataset):
            return super().tensors(batches)
        return (self._placed(batch) for batch in self._map(lambda batch: self._batch(*batch), batches))

    def _batch(self, indices: Any, key: random.Key) -> Any:
        if self.collate_fn is None and not self.streaming and _makes_batches(self.dataset):
            return super()._batch(indices, key)
        with drawing(key):
            if isinstance(indices, Chunk):
                samples = indices.samples
            elif self.collate_fn is None and (rows := _rows(self.dataset, indices)) is not None:
                return rows
            else:
                samples = [self._indexed()[int(i)] for i in indices]
            return (self.collate_fn or default_collate)(samples)

    def _placed(self, batch: Any) -> Any:
        """The batch with its Tensors on the loader's backend, where one was given."""
        if self.backend is None:
            return batch
        if isinstance(batch, Tensor):
            return batch.to(self.backend)
        if isinstance(batch, dict):
            return {key: self._placed(value) for key, value in batch.items()}
        if type(batch) in (list, tuple):
            return type(batch)(self._placed(part) for part in batch)
        return batch


def _makes_batches(dataset: Any) -> bool:
    """Whether a dataset joins its samples itself, with a `batch` of its own."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return isinstance(dataset, Dataset) and type(dataset).batch is not Dataset.batch


def _rows(dataset: Any, indices: np.ndarray) -> list[Tensor] | None:
    """A batch of a `TensorDataset`, or of a part of one, taken at once; ``None`` of other datasets."""
    while isinstance(dataset, Subset):
        dataset, indices = dataset.dataset, dataset.indices[indices]
    if type(dataset) is not TensorDataset:
        return None
    places = tensor(indices)
    return [rows[places if rows.backend == places.backend else places.to(rows.device)]
            for rows in dataset.tensors]
