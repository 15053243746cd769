"""The loader: a dataset's samples batch by batch, in an order that depends on the seed and the epoch only."""

from __future__ import annotations

import copy
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat, takewhile
from typing import Any, cast

import numpy as np

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.data import description
from cnnkit.data.ahead import ahead
from cnnkit.data.checks import check_images, check_labels, check_mixing
from cnnkit.data.contracts import (
    Augmentation,
    IndexedDataset,
    LabelMixing,
    PixelTable,
    Sampler,
    StreamDataset,
    StreamWithEpochs,
)
from cnnkit.data.dataset import Dataset
from cnnkit.data.drawing import drawing, each_drawing
from cnnkit.data.on_device import TensorDataset
from cnnkit.data.sampler import checked_sampler
from cnnkit.data.samples import stack
from cnnkit.data.stream import Chunk, chunks, is_stream, mixed
from cnnkit.data.uploading import Uploads
from cnnkit.random.keys import checked_key

__all__ = ["DataLoader"]

MOST_EPOCHS = 1 << 63  # that a key of random numbers can be made for

# folded into an epoch's key to shuffle a streamed dataset; augmentation folds in batch numbers, far below it
_SHUFFLE = 1 << 62
_ORDER = 1  # folded into the seed's key to draw orders; `random_split` folds in another number


class DataLoader:
    """Batches of a dataset as Tensors.

    Parameters
    ----------
    dataset : Dataset or any sequence of (image, label) pairs
        Whatever has ``len`` and an index, PyTorch's datasets included; instead of pairs, mappings with the
        names of `samples.IMAGE_NAMES` and `samples.LABEL_NAMES`, such as ``{"image": x, "label": y}``.
        Pictures that no transform has converted (uint8, uint16, Pillow's) become float32 in [0, 1], as
        `transforms.ToTensor` makes them. Or a stream: an
        `IterableDataset`, PyTorch's too, or any iterable of such pairs without a length or an index; then
        ``len`` of the loader raises TypeError.
    batch_size : int
        Samples per batch.
    shuffle : bool
        Draw a new order for each epoch, instead of the dataset's own; of a stream, within a buffer of
        `buffer_size` samples.
    drop_last : bool
        Leave out the last batch where it is smaller than the others.
    seed : int, optional
        Where the orders come from: epoch n of seed s is the same on every machine and backend. Without it
        they come from `cnnkit.random`'s generator, which `cnnkit.random.seed` sets.
    num_workers : int
        Threads that make batches, and begin to copy them to the device, while you compute; 0 makes each
        batch when it is requested. The batches are the same and in the same order. Several threads call the
        dataset's ``[]`` at the same time, so it must be thread-safe. What it draws from `cnnkit.random`
        there, as random transforms inside a dataset do, depends on the seed, the epoch and the batch's number
        alone.
    prefetch_factor : int, optional
        How many batches each thread may be ahead; 2 by default.
    backend : str, optional
        Where the Tensors are made; by default the backend that `cnnkit.use` has chosen by then, in `fit` and
        `evaluate` that of the model; a `TensorDataset`'s are made where it is. There is no ``pin_memory``: a
        backend that copies from pinned memory does so by itself.
    collate_fn : callable, optional
        Makes ``(x, y)`` from a list of samples, instead of stacking them.
    sampler : Sampler or sequence of int, optional
        Which samples an epoch takes, instead of all in order: drawn anew for each epoch, as
        `WeightedRandomSampler` does (`contracts.Sampler`), or these indices in each.
    buffer_size : int
        Samples of a stream that are held to shuffle them.
    augment : callable, optional
        Random transforms of `cnnkit.data.transforms`, or whatever is called as ``augment(x, y, key=key)`` and
        gives ``(x, y)`` (`contracts.Augmentation`): changes each batch on the device, once it is there. The
        key is made of the seed, the epoch and the batch's number, so it does not matter which thread loads
        the batch, or which batches were skipped. Evaluation takes `plain` batches.

    Attributes
    ----------
    epoch : int
        Which epoch the next iteration is, from 0; starting an iteration counts it up.

    Raises
    ------
    ValueError
        If the dataset is empty, no batch would be left, `augment` is for another number of classes than the
        dataset has, or, while iterating, a label is out of range or an image holds NaN or infinity: the
        message names the sample.

    >>> from cnnkit.data import DataLoader, datasets
    >>> loader = DataLoader(datasets.digits(train=True), batch_size=32, shuffle=True, seed=0)
    >>> x, y = next(iter(loader))
    >>> x.shape, str(x.dtype), y.shape, len(loader)
    ((32, 1, 8, 8), 'float32', (32,), 45)
    """

    dataset: IndexedDataset | StreamDataset
    streaming: bool
    given_sampler: Any
    batch_size: int
    buffer_size: int
    drop_last: bool
    shuffle: bool
    augment: Augmentation | None
    backend: Any
    collate_fn: Callable[..., Any] | None

    def __init__(self, dataset: IndexedDataset | StreamDataset, batch_size: int = 1, shuffle: bool = False,
                 drop_last: bool = False, *, num_workers: int = 0, prefetch_factor: int | None = None,
                 seed: int | None = None, backend: Any = None,
                 collate_fn: Callable[[list], tuple[Any, Any]] | None = None,
                 sampler: Sampler | Sequence[int] | np.ndarray | None = None,
                 buffer_size: int = 1000, augment: Augmentation | None = None):
        self.dataset, self.streaming = dataset, is_stream(dataset)
        if not self.streaming and not isinstance(dataset, IndexedDataset):
            raise TypeError("DataLoader() takes a dataset with a length and an index, or an iterable; got a "
                            f"{type(dataset).__name__}")
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if operator.index(buffer_size) < 1:
            raise ValueError(f"buffer_size must be at least 1, got {buffer_size}")
        self.given_sampler = None if sampler is None else checked_sampler(
            sampler, shuffle, None if self.streaming else len(self._indexed()))
        if not self.streaming and self._count() == 0:
            raise ValueError("the dataset is empty: there is nothing to load")
        if not self.streaming and drop_last and self._count() < batch_size:
            raise ValueError(f"drop_last=True leaves no batch of {self._count()} samples with "
                             f"batch_size={batch_size}; make the batch smaller or keep the last one")
        if operator.index(num_workers) < 0:
            raise ValueError(f"num_workers must be 0 or more, got {num_workers}")
        if prefetch_factor is not None and (num_workers == 0 or operator.index(prefetch_factor) < 1):
            raise ValueError("prefetch_factor must be at least 1 and needs num_workers, "
                             f"got prefetch_factor={prefetch_factor} with num_workers={num_workers}")
        if augment is not None and not callable(augment):
            raise TypeError(f"augment={augment!r} cannot be called; transforms.named({augment!r}, "
                            "image_shape, num_classes) makes transforms of names, as train.fit does")
        self.num_workers = num_workers
        self.prefetch_factor: int | None = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.batch_size, self.buffer_size = operator.index(batch_size), operator.index(buffer_size)
        self.shuffle, self.drop_last = shuffle, drop_last
        self.backend, self.collate_fn, self.augment = backend, collate_fn, augment
        self._uploads = Uploads(backend)
        self._classes = description.class_names(dataset)
        self._class_count: int | None = None
        self._ignore_index = (dataset if isinstance(dataset, Dataset) else Dataset).ignore_index
        if isinstance(augment, LabelMixing):
            check_mixing(augment, self._classes, dataset)
        self.epoch: int = 0
        self._skipped = 0
        self._stream_started = False
        draws = shuffle or isinstance(sampler, Sampler) or augment is not None
        self._key = (random.fold_in(random.next_key() if seed is None else random.key(seed), _ORDER)
                     if draws else None)

    @property
    def sampler(self) -> Any:
        """What was given to say which samples an epoch takes."""
        return self.given_sampler

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self.streaming:
            raise TypeError("nobody knows how many batches a stream has: "
                            f"{type(self.dataset).__name__} can only be gone through")
        full_batches, remainder = divmod(self._count(), self.batch_size)
        return full_batches + (remainder > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # here, not in the generator: an epoch is counted when iteration begins
        return self.tensors(self.next_batches())

    def tensors(self, batches: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Load batches, of which `next_batches` has given the indices and keys, or parts of them."""
        table, gathered = self._table(), isinstance(self.dataset, TensorDataset) and self.collate_fn is None
        uploads = self._uploads

        def start_batch(batch: tuple) -> tuple:
            indices, key = batch
            if table is not None:
                return (*uploads.start_looked_up(indices, *table), key)
            if gathered:  # by the computing thread, in the order of its other work on the device
                return indices, None, key
            return (*map(uploads.start, self._batch(indices, key)), key)

        for x, y, key in self._map(start_batch, batches):
            if gathered:
                x, y = self._batch(x, key)
            yield self._augmented(uploads.finish(x), uploads.finish(y), key)

    def _augmented(self, x: Any, y: Any, key: random.Key) -> tuple[Any, Any]:
        return (x, y) if self.augment is None else self.augment(x, y, key=key)

    def _table(self) -> tuple[PixelTable, np.ndarray] | None:
        """The dataset and its table of pixel values, where it has one; such images need no checks."""
        dataset = self.dataset
        if self.collate_fn is not None or not isinstance(dataset, Dataset):
            return None
        if not isinstance(dataset, PixelTable):
            return None
        values = dataset.pixel_values()
        return None if values is None else (dataset, values)

    def _map(self, make: Callable, batches: Iterator[tuple]) -> Iterator:
        """``map(make, batches)``, by the workers where there are any."""
        workers = self.num_workers
        return (ahead(make, batches, workers, workers * (self.prefetch_factor or 1))
                if workers else map(make, batches))

    def numpy_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same batches in the same order as host arrays, not moved to a backend; counts as an iteration.

        >>> from cnnkit.data import DataLoader, datasets
        >>> images, labels = next(DataLoader(datasets.digits(), batch_size=5).numpy_batches())
        >>> type(images).__name__, labels.tolist()
        ('ndarray', [0, 1, 2, 3, 4])
        """
        def make(batch: tuple) -> tuple:
            x, y = (part.numpy() if isinstance(part, Tensor) and self.collate_fn is None else part
                    for part in self._batch(*batch))
            return self._augmented(x, y, batch[1])
        return self._map(make, self.next_batches())

    def next_batches(self) -> Iterator[tuple[Any, random.Key]]:
        """Begin the next epoch: indices (or a stream's samples) and key of each batch not skipped."""
        epoch, skipped, size = self.epoch, self._skipped, self.batch_size
        # without order or augmentation the dataset may still draw: no key is taken from the generator for it
        key = random.fold_in(random.key(random.initial_seed()) if self._key is None else self._key, epoch)
        if self.streaming:
            parts: Iterator[Any] = self._read_ahead(chunks(self._stream(key), size, skipped, self.drop_last))
        else:
            order = self.order(epoch)
            parts = (order[n * size:(n + 1) * size] for n in range(skipped, len(self)))
        self.epoch += 1
        self._skipped = 0
        return ((part, random.fold_in(key, n)) for n, part in enumerate(parts, skipped))

    def order(self, epoch: int) -> np.ndarray:
        """The samples' indices in the order in which epoch `epoch` takes them."""
        if self.streaming:
            raise TypeError(f"a stream has no order: {type(self.dataset).__name__} can only be gone through")
        sampler = self.given_sampler
        if isinstance(sampler, np.ndarray):
            return sampler
        random_order = self.shuffle or sampler is not None
        if not random_order or self._key is None:
            return np.arange(self._count())
        key = random.fold_in(self._key, epoch)
        if sampler is not None:
            return sampler.draw_indices(key)
        return random.permutation(key, self._count())

    def _count(self) -> int:
        """Samples in an epoch."""
        return len(self._indexed() if self.given_sampler is None else self.given_sampler)

    def _indexed(self) -> IndexedDataset:
        """The dataset, where it is no stream."""
        return cast(IndexedDataset, self.dataset)

    def _stream(self, key: random.Key) -> Iterator:
        """A stream's samples in the order in which the next epoch, whose key is given, takes them."""
        if isinstance(self.dataset, StreamWithEpochs):
            self.dataset.set_epoch(self.epoch)
        stream = iter(self.dataset)
        if stream is self.dataset and self._stream_started:
            raise ValueError(f"a {type(stream).__name__} can be gone through once, "
                             "and that was done: for several epochs give an "
                             "object whose __iter__ begins anew (an IterableDataset), or a list")
        self._stream_started = True
        samples = each_drawing(stream, key)
        return mixed(samples, self.buffer_size, random.fold_in(key, _SHUFFLE)) if self.shuffle else samples

    def _read_ahead(self, stream: Iterator[Chunk]) -> Iterator[Chunk]:
        """A stream's samples; with workers, read in advance by one more thread."""
        if not self.num_workers:
            return stream
        depth = self.num_workers * (self.prefetch_factor or 1)
        return takewhile(lambda chunk: chunk is not None,
                         ahead(lambda _: next(stream, None), repeat(None), 1, depth))

    def _batch(self, indices: Any, key: random.Key) -> tuple[Any, Any]:
        dataset = self.dataset
        with drawing(key):
            if isinstance(indices, Chunk):
                samples, indices = indices
                x, y = self._collate(samples, indices)
            elif self.collate_fn is None and isinstance(dataset, Dataset):
                x, y = dataset.batch(indices)
            else:
                x, y = self._collate([self._indexed()[int(i)] for i in indices], indices)
        if isinstance(x, np.ndarray):
            check_images(x, indices)
        if isinstance(y, np.ndarray):
            check_labels(y, indices, self._classes or self._class_count, self._ignore_index)
        return x, y

    def _collate(self, samples: list, indices: np.ndarray) -> tuple[Any, Any]:
        return stack(samples, indices) if self.collate_fn is None else self.collate_fn(samples)

    def expect_labels(self, classes: int | None, ignore_index: int) -> None:
        """From now on, check labels against the number of a model's scores and the loss's `ignore_index`.

        Class names that the dataset has come before that number; `ignore_index` of a dataset comes before
        -100, the losses' default. `train.fit` calls it.
        """
        self._class_count = classes
        if ignore_index != Dataset.ignore_index:
            self._ignore_index = ignore_index

    def expect_place(self, place: str | None) -> None:
        """From now on, make batches at this place (``"cupy:1"``), where `backend` does not say another.

        `train.fit` and `evaluate` call it with the place of the model.
        """
        self._uploads.expected = place

    def plain(self) -> DataLoader:
        """A loader of the same batches without augmentation, for evaluation; it counts its epochs itself."""
        loader = copy.copy(self)
        loader.augment, loader._uploads = None, copy.copy(self._uploads)
        return loader

    def describe_augmentation(self) -> str | None:
        """A text on the augmentation that is the same in every process; ``None`` without augmentation."""
        return None if self.augment is None else re.sub(r" at 0x\w+", "", repr(self.augment))

    def mixes_labels(self) -> bool:
        """Whether the augmentation makes probabilities of class indices."""
        return isinstance(self.augment, LabelMixing) and self.augment.mixes_labels()

    def describe_batches(self) -> dict[str, int | str | None]:
        """What must not differ in a resumed run: the number of samples, where known, and the batch size."""
        try:
            samples: int | None = len(self._indexed())
        except TypeError:  # a stream
            samples = None
        return {"samples": samples, "batch size": self.batch_size}

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`, counted from 0."""
        if not 0 <= operator.index(epoch) < MOST_EPOCHS:
            raise ValueError(f"epochs are counted from 0 to less than 2**63, got {epoch}")
        self.epoch = operator.index(epoch)

    def skip_batches(self, batches: int) -> None:
        """Skip the first `batches` of the next iteration without loading them, to go on within an epoch.

        A stream is read up to there: it must give the same samples again.

        >>> from cnnkit.data import DataLoader, datasets
        >>> loader = DataLoader(datasets.digits(), batch_size=5)
        >>> loader.skip_batches(1)
        >>> next(iter(loader))[1].tolist()
        [5, 6, 7, 8, 9]
        """
        if operator.index(batches) < 0 or (not self.streaming and batches > len(self)):
            raise ValueError(f"an epoch has {len(self)} batches: {batches} of them cannot be left out")
        self._skipped = operator.index(batches)

    def state_dict(self) -> dict[str, Any]:
        """What the coming batches depend on: the next epoch, the key as plain numbers, and `shuffle`."""
        return {"epoch": self.epoch, "key": None if self._key is None else list(self._key),
                "shuffle": self.shuffle}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            If one of the two loaders shuffles or augments and the other does not.
        """
        shuffled = state.get("shuffle", state["key"] is not None)
        if not isinstance(shuffled, bool) or shuffled != self.shuffle:
            raise ValueError(f"the state is of a loader with shuffle={shuffled}, "
                             f"but this one has shuffle={self.shuffle}")
        if (state["key"] is None) != (self._key is None):
            raise ValueError("the state is of a loader "
                             f"{'with' if self._key is None else 'without'} augment=, and this one has "
                             f"augment={self.augment!r}")
        self.set_epoch(state["epoch"])
        if state["key"] is not None:
            self._key = checked_key(state["key"])
