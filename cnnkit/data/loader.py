"""The loader: takes samples from a dataset, batch by batch, in an order that depends on the seed and the epoch only."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cnnkit import backends, random
from cnnkit.autograd import Tensor, tensor
from cnnkit.data.ahead import ahead
from cnnkit.data.checks import check_images, check_labels
from cnnkit.data.dataset import Dataset, stack
from cnnkit.data.pixels import look_up

__all__ = ["DataLoader"]

_ORDER = 1  # the stream of the seed's key that orders are drawn from; `random_split` takes another


class DataLoader:
    """Batches of a dataset as Tensors.

    Parameters
    ----------
    dataset : Dataset or any sequence of (image, label) pairs
        Whatever has ``len`` and an index, PyTorch's datasets included. uint8 pictures that no transform has converted
        become float32 in [0, 1], as `transforms.ToTensor` makes them.
    batch_size : int
        Samples per batch.
    shuffle : bool
        Draw a new order for each epoch, instead of the dataset's own.
    drop_last : bool
        Leave out the last batch where it is smaller than the others.
    seed : int, optional
        Where the orders come from: epoch n of seed s is the same on every machine and backend. Without it they come
        from `cnnkit.random`'s generator, which `cnnkit.random.seed` sets.
    num_workers : int
        Threads that make batches, and begin to copy them to the device, while you compute; 0 makes each when it is asked for.
        The batches are the same and in the same order. With several, samples are taken from the dataset at the same time, so
        its ``[]`` must allow that. What a dataset draws from `cnnkit.random`'s own generator would depend on how far ahead a
        thread is: let it draw from a key of its own.
    prefetch_factor : int, optional
        How many batches each of them may be ahead; 2 by default.
    backend : str, optional
        Where the Tensors are made; by default where `cnnkit.use` says at that moment. There is no ``pin_memory``: a backend
        that copies from pinned memory does so by itself.
    collate_fn : callable, optional
        Makes ``(x, y)`` from a list of samples, instead of stacking them.

    Attributes
    ----------
    epoch : int
        Which epoch the next iteration is, from 0; starting an iteration counts it up.

    Raises
    ------
    ValueError
        If the dataset is empty, no batch would be left, or, while iterating, a label is out of range or an image holds
        NaN or infinity: the message names the sample.

    >>> from cnnkit.data import DataLoader, datasets
    >>> loader = DataLoader(datasets.digits(train=True), batch_size=32, shuffle=True, seed=0)
    >>> x, y = next(iter(loader))
    >>> x.shape, str(x.dtype), y.shape, len(loader)
    ((32, 1, 8, 8), 'float32', (32,), 45)
    """

    def __init__(self, dataset: Any, batch_size: int = 1, shuffle: bool = False, drop_last: bool = False, *,
                 num_workers: int = 0, prefetch_factor: int | None = None, seed: int | None = None, backend: Any = None,
                 collate_fn: Callable[[list], tuple[Any, Any]] | None = None):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader() takes a dataset with a length and an index, got a {type(dataset).__name__}; "
                            "make a list of it")
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if len(dataset) == 0:
            raise ValueError("the dataset is empty: there is nothing to load")
        if drop_last and len(dataset) < batch_size:
            raise ValueError(f"drop_last=True leaves no batch of {len(dataset)} samples with batch_size={batch_size}; "
                             "make the batch smaller or keep the last one")
        if operator.index(num_workers) < 0:
            raise ValueError(f"num_workers must be 0 or more, got {num_workers}")
        if prefetch_factor is not None and (num_workers == 0 or operator.index(prefetch_factor) < 1):
            raise ValueError(f"prefetch_factor must be at least 1 and needs num_workers, got prefetch_factor={prefetch_factor} "
                             f"with num_workers={num_workers}")
        self.num_workers, self.prefetch_factor = num_workers, 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.dataset, self.batch_size = dataset, operator.index(batch_size)
        self.shuffle, self.drop_last = shuffle, drop_last
        self.backend, self.collate_fn = backend, collate_fn
        self.epoch = 0
        self._skipped = 0
        self._key = random.fold_in(random.next_key() if seed is None else random.key(seed), _ORDER) if shuffle else None

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._tensors(self._next_epoch())  # here, not in the generator: an epoch is counted when iteration begins

    def _tensors(self, batches: Iterator[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
        values = self._values()

        def begun(indices: Any) -> tuple:
            if values is not None:
                return self._looked_up(indices, values)
            return tuple(map(self._begin, self._batch(indices)))

        for x, y in self._made(begun, batches):
            yield self._arrived(x), self._arrived(y)

    def _values(self) -> np.ndarray | None:
        """What becomes of each pixel value, where the dataset says that there is no more to it; such images need no checks."""
        values = getattr(self.dataset, "values", None)  # other kinds of datasets may have something of that name: a dict's method
        return values() if self.collate_fn is None and isinstance(self.dataset, Dataset) and callable(values) else None

    def _looked_up(self, indices: np.ndarray, values: np.ndarray) -> tuple:
        backend, device = backends.place(self.backend)
        images, labels = self.dataset.stored(indices)
        x = look_up(images, values, backend, device)
        if x is None:
            host, labels = self.dataset.batch(indices)
            if not (backend.owns(host) and device is None):
                return self._begin(host), self._begin(labels)
            x = host  # it is new, and nobody else has it
        return Tensor(x), self._begin(labels)

    def _begin(self, array: Any) -> Any:
        """A host array as a copy that is under way to where it belongs."""
        if not isinstance(array, np.ndarray):
            return array
        backend, device = backends.place(self.backend)
        return backend.upload(array, array.dtype, device)

    def _arrived(self, begun: Any) -> Tensor:
        if isinstance(begun, Tensor):
            return begun
        return Tensor(begun()) if callable(begun) else tensor(begun, backend=self.backend)

    def _made(self, make: Callable, batches: Iterator[np.ndarray]) -> Iterator:
        workers = self.num_workers
        return ahead(make, batches, workers, workers * (self.prefetch_factor or 1)) if workers else map(make, batches)

    def numpy_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same batches in the same order as host arrays, not moved to a backend; it counts as an iteration.

        >>> from cnnkit.data import DataLoader, datasets
        >>> images, labels = next(DataLoader(datasets.digits(), batch_size=5).numpy_batches())
        >>> type(images).__name__, labels.tolist()
        ('ndarray', [0, 1, 2, 3, 4])
        """
        return self._made(self._batch, self._next_epoch())

    def _next_epoch(self) -> Iterator[np.ndarray]:
        """The indices of each batch of the next epoch that is not skipped; the epoch begins with this call."""
        order, skipped = self.order(self.epoch), self._skipped
        self.epoch += 1
        self._skipped = 0
        return (order[n * self.batch_size:(n + 1) * self.batch_size] for n in range(skipped, len(self)))

    def order(self, epoch: int) -> np.ndarray:
        """The samples' indices in the order in which epoch `epoch` takes them."""
        n = len(self.dataset)
        return np.arange(n) if self._key is None else random.permutation(random.fold_in(self._key, epoch), n)

    def _batch(self, indices: np.ndarray) -> tuple[Any, Any]:
        dataset, classes = self.dataset, getattr(self.dataset, "classes", None)
        if self.collate_fn is None and isinstance(dataset, Dataset):
            x, y = dataset.batch(indices)
        else:
            x, y = self._collate([dataset[int(i)] for i in indices], indices)
        if isinstance(x, np.ndarray):
            check_images(x, indices)
        if isinstance(y, np.ndarray):
            check_labels(y, indices, classes if isinstance(classes, Sequence) else None)
        return x, y

    def _collate(self, samples: list, indices: np.ndarray) -> tuple[Any, Any]:
        return stack(samples, indices) if self.collate_fn is None else self.collate_fn(samples)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`, counted from 0."""
        if operator.index(epoch) < 0:
            raise ValueError(f"epochs are counted from 0, got {epoch}")
        self.epoch = operator.index(epoch)

    def skip(self, batches: int) -> None:
        """Leave out the first `batches` of the next iteration, without loading them: to go on in the middle of an epoch.

        >>> from cnnkit.data import DataLoader, datasets
        >>> loader = DataLoader(datasets.digits(), batch_size=5)
        >>> loader.skip(1)
        >>> next(iter(loader))[1].tolist()
        [5, 6, 7, 8, 9]
        """
        if not 0 <= operator.index(batches) <= len(self):
            raise ValueError(f"an epoch has {len(self)} batches: {batches} of them cannot be left out")
        self._skipped = operator.index(batches)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on with the same orders: the next epoch and the key, as plain numbers."""
        return {"epoch": self.epoch, "key": None if self._key is None else list(self._key)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises
        ------
        ValueError
            If one of the two loaders shuffles and the other does not.
        """
        if (state["key"] is None) != (self._key is None):
            raise ValueError(f"the state is of a loader with shuffle={state['key'] is not None}, "
                             f"but this one has shuffle={self.shuffle}")
        self.set_epoch(state["epoch"])
        if state["key"] is not None:
            self._key = (int(state["key"][0]), int(state["key"][1]))
