"""What `DataLoader` asks of a dataset, a sampler, a transform and an augmentation: the methods that it calls.

A class of yours meets a contract by having its methods; it need not derive from anything. Optional methods
are separate contracts, and their names mean nothing else, so that all attributes are free for your use. Only
the three attributes by which torchvision's datasets describe themselves are read: see
`cnnkit.data.description`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy

    from cnnkit.random import Key

__all__ = ["Augmentation", "BatchTransform", "IndexedDataset", "LabelMixing", "PixelTable",
           "PointwiseTransform", "Sampler", "StreamDataset", "StreamWithEpochs", "Transform"]


# -- datasets ----------------------------------------------------------------------------------------------


@runtime_checkable
class IndexedDataset(Protocol):
    """A dataset with a length and an index, PyTorch's included: all that a dataset needs.

    With ``num_workers`` above 1 its ``[]`` is called from several threads at once.

    >>> import numpy
    >>> class Squares:
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return numpy.full((1, 2, 2), index**2, "float32"), index
    >>> from cnnkit.data import DataLoader
    >>> [labels.tolist() for _, labels in DataLoader(Squares(), batch_size=3)]
    [[0, 1, 2], [3]]
    """

    def __len__(self) -> int:
        """How many samples there are; it stays the same."""

    def __getitem__(self, index: int, /) -> Any:
        """Sample `index`, from 0: a pair (image, label), or what the loader's ``collate_fn`` takes.

        An image is float (C, H, W), or a uint8 picture (H, W) or (H, W, C); a label is an int from 0, or for
        regression a float or an array of them.
        """


class StreamDataset(Protocol):
    """A dataset that can only be iterated, without length and index: `IterableDataset` is a base."""

    def __iter__(self) -> Iterator[Any]:
        """The samples from the beginning, pairs (image, label); called once an epoch.

        An iterator, which cannot begin anew, serves for one epoch. A resumed run skips the samples that were
        used before by iterating past them, so they must be the same again.
        """


@runtime_checkable
class StreamWithEpochs(Protocol):
    """Optional for a stream: ``set_epoch``, as in PyTorch, tells it which epoch comes next.

    A stream without it gives the same samples in every epoch.
    """

    def set_epoch(self, epoch: int, /) -> None:
        """The next iteration is epoch `epoch`, from 0; called before every iteration."""


@runtime_checkable
class PixelTable(Protocol):
    """Optional for a subclass of `Dataset`: batches may be made by looking pixel values up, in a kernel.

    Batches of a dataset without it come from ``batch``. `ArrayDataset` and `Subset` have it.
    """

    def pixel_values(self) -> numpy.ndarray | None:
        """What each uint8 value of each channel becomes in a batch, float32 (C, 256).

        ``None`` where that depends on more than the value.
        """

    def batch(self, indices: Any, /) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The batch as `Dataset.batch` makes it; called where no kernel takes the images."""

    def stored_batch(self, indices: Any, /) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The uint8 images (N, H, W) or (N, C, H, W) of `indices` as they are kept, and their labels (N,).

        ``batch(indices)[0] == pixel_values()[channel, stored_batch(indices)[0]]``, to the bit.
        """


# -- samplers ----------------------------------------------------------------------------------------------


@runtime_checkable
class Sampler(Protocol):
    """Which samples an epoch takes, drawn anew for every epoch; `WeightedRandomSampler` is one.

    It keeps no state: what it draws depends on the key alone, so that a resumed run goes on with the same
    samples. To take the same indices in every epoch, give a sequence of int instead.

    >>> from cnnkit import random
    >>> class Half:
    ...     def __init__(self, samples):
    ...         self.samples = samples
    ...     def __len__(self):
    ...         return self.samples // 2
    ...     def draw_indices(self, key):
    ...         return random.permutation(key, self.samples)[:len(self)]
    >>> from cnnkit.data import DataLoader, datasets
    >>> digits = datasets.digits()
    >>> len(DataLoader(digits, batch_size=32, sampler=Half(len(digits)), seed=0))
    29
    """

    def __len__(self) -> int:
        """How many indices an epoch has; it stays the same."""

    def draw_indices(self, key: Key, /) -> numpy.ndarray:
        """The indices of an epoch, (len(self),) int64, from 0 to below the dataset's length.

        `key` is made of the loader's seed and the epoch.
        """


# -- transforms --------------------------------------------------------------------------------------------


class Transform(Protocol):
    """What a dataset's ``transform`` is: any callable of one image."""

    def __call__(self, image: Any, /) -> Any:
        """The image as the network or the next transform takes it; see `ArrayDataset` for `image`."""


@runtime_checkable
class BatchTransform(Protocol):
    """Optional for a transform: it takes many images at once. One without it is called image by image.

    >>> import numpy
    >>> class Invert:
    ...     def __call__(self, image):
    ...         return self.transform_batch(image[None])[0]
    ...     def transform_batch(self, images):
    ...         return 1 - images
    >>> from cnnkit.data import ArrayDataset
    >>> images, labels = ArrayDataset(numpy.zeros((3, 1, 2, 2)), [0, 1, 2], transform=Invert()).batch([2, 0])
    >>> images[:, 0, 0, 0].tolist(), labels.tolist()
    ([1.0, 1.0], [2, 0])
    """

    def transform_batch(self, images: Any, /) -> Any:
        """``transform_batch(images)[i]`` is what the transform makes of ``images[i]``, bit for bit."""


@runtime_checkable
class PointwiseTransform(Protocol):
    """Optional for a `BatchTransform`: each value comes from one pixel's value of one channel.

    Images in memory are then transformed by looking their values up in a table.
    """

    def is_pointwise(self) -> bool:
        """Whether each value comes from one pixel's value of one channel."""


class Augmentation(Protocol):
    """What ``DataLoader(augment=...)`` calls for every batch of training, where the Tensors are made.

    >>> from cnnkit import random
    >>> from cnnkit.data import DataLoader, datasets
    >>> def noise(x, y, *, key):
    ...     return x + random.normal(key, x.shape, std=0.1), y
    >>> x, y = next(iter(DataLoader(datasets.digits(), batch_size=4, augment=noise, seed=0)))
    >>> x.shape, y.tolist()
    ((4, 1, 8, 8), [0, 1, 2, 3])
    """

    def __call__(self, x: Any, y: Any, /, *, key: Key) -> tuple[Any, Any]:
        """Images (N, C, H, W) and targets, changed: Tensors, or NumPy arrays in ``DataLoader.numpy_batches``.

        All that is drawn comes from `key`, which is made of the seed, the epoch and the batch's number.
        """


@runtime_checkable
class LabelMixing(Protocol):
    """Optional for an augmentation: it may turn class indices (N,) into probabilities (N, classes).

    `transforms.MixUp` does. A prediction is then right if it is the most probable class. Targets (N, K) of an
    augmentation without this contract are numbers, for which no accuracy is measured.
    """

    def mixes_labels(self) -> bool:
        """Whether it turns class indices into probabilities."""

    def label_classes(self) -> int | None:
        """The number of classes; ``None`` where none was given, and class indices are refused."""
