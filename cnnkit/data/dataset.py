"""Datasets: a sequence of (image, label) pairs, held in arrays or computed; parts and sums of them."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, cast

import numpy as np

from cnnkit.data import description
from cnnkit.data.checks import check_images, check_labels
from cnnkit.data.contracts import IndexedDataset, PixelTable, PointwiseTransform, Transform
from cnnkit.data.host import fitting_dtype, host_array
from cnnkit.data.layout import CHANNELS, channels_last
from cnnkit.data.mapped import MappedRows
from cnnkit.data.samples import stack
from cnnkit.data.stream import is_stream
from cnnkit.data.transforms import ToTensor
from cnnkit.data.transforms.compose import batched_form
from cnnkit.foreign import plain

__all__ = ["ArrayDataset", "ConcatDataset", "Dataset", "Subset"]

_AS_TENSOR = ToTensor()
_PICTURES = (np.dtype(np.uint8), np.dtype(np.uint16))


class Dataset:
    """A sequence of (image, label) pairs; a subclass gives `__len__` and `__getitem__`.

    `DataLoader` takes any object with these two methods, PyTorch's datasets among them; this
    class adds `batch`.

    Attributes
    ----------
    classes : tuple of str or None
        The names of the labels 0, 1, ..., where they are known.
    ignore_index : int
        The label of samples, or of a mask's pixels, that count for nothing: see `functional.cross_entropy`.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return numpy.full((1, 2, 2), i * i, "float32"), i
    >>> import numpy
    >>> images, labels = Squares().batch([3, 1])
    >>> images.shape, images[:, 0, 0, 0].tolist(), labels.tolist()
    ((2, 1, 2, 2), [9.0, 1.0], [3, 1])
    """

    classes: tuple[str, ...] | None = None
    ignore_index: int = -100

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # Python's default would go on until __getitem__ raises IndexError
        return (self[i] for i in range(len(self)))

    def __add__(self, other: IndexedDataset) -> Any:
        """The samples of both, as a `ConcatDataset`."""
        return ConcatDataset([self, other])

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices` as two host arrays; override it to gather them faster."""
        return stack([self[int(i)] for i in indices], indices)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of one image as the network gets it."""
        return self.batch([0])[0].shape[1:]


class ArrayDataset(Dataset):
    """Images and labels in two arrays, checked once, batched without a loop.

    Parameters
    ----------
    images : array of shape (N, H, W), (N, C, H, W) or (N, H, W, C)
        Pictures, uint8 from 0 to 255 or uint16 from 0 to 65535, or floats; whatever `host_array` takes. An
        array is kept, not copied.
    labels : array of shape (N,) or (N, ...)
        Class labels, integers from 0, kept as int64; or masks (N, H, W) of them; or what else a loss takes:
        numbers (N,) or (N, K), kept as float32.
    classes : int or sequence of str, optional
        The number of classes, or their names; every label must be below that number.
    transform : callable, optional
        Applied to each image: as in torchvision, a picture is passed as (H, W) or (H, W, C), a float image as
        (H, W) or (C, H, W). Without one, samples are the images as they are stored, and batches are what
        `ToTensor` makes of them.
    data_format : {"NCHW", "NHWC"}, optional
        Where the channels of four axes are; without it see `layout.channels_last`.
    ignore_index : int
        The label that stands for none: such samples or pixels count for nothing in the loss.

    Attributes
    ----------
    data : ndarray, (N, H, W) or (N, C, H, W)
        The images as given, or a view with the channels first.
    targets : ndarray of int64 or float32
        The labels.

    Raises
    ------
    TypeError
        If the images are neither pictures nor floats, or the labels are no numbers.
    ValueError
        If there are no images, the counts differ, a label is out of range, an image holds NaN or infinity
        (arrays mapped from a file are checked batch by batch instead, in the loader), or the shape leaves
        open where the channels are.

    >>> import numpy
    >>> data = ArrayDataset(numpy.zeros((5, 28, 28), "uint8"), [0, 1, 2, 0, 1], classes=3)
    >>> len(data), data.image_shape, data.classes
    (5, (1, 28, 28), ('0', '1', '2'))
    >>> data.batch([4, 2])[1].tolist()
    [1, 2]
    >>> ArrayDataset(numpy.zeros((2, 28, 28, 3)), [0.5, 1.5])
    ArrayDataset(2 images of shape (3, 28, 28), float64)
    """

    _rows: MappedRows | None = None
    data: np.ndarray
    ignore_index: int
    transform: Transform | None

    def __init__(self, images: Any, labels: Any, classes: int | Sequence[str] | None = None,
                 transform: Transform | None = None, *, data_format: str | None = None,
                 ignore_index: int = -100):
        self.data, labels = _channels_first(host_array(images), data_format), host_array(labels, "labels")
        classes = plain(classes)
        if isinstance(classes, int):
            classes = [str(i) for i in range(classes)]
        self.classes: tuple[str, ...] | None = None if classes is None else tuple(classes)
        self.transform, self.ignore_index = transform, ignore_index
        if self.data.dtype not in _PICTURES and self.data.dtype.kind not in "fb":
            raise TypeError("images must be uint8 (0 to 255), uint16 (0 to 65535) or float, got "
                            f"{self.data.dtype}{fitting_dtype(self.data)}")
        if labels.ndim == 0 or len(self.data) != len(labels):
            raise ValueError(f"{len(self.data)} images but {len(labels) if labels.ndim else 'no'} labels: "
                             "there must be one label per image")
        if len(labels) == 0 or 0 in self.data.shape:
            raise ValueError(f"the dataset is empty: images of shape {self.data.shape}")
        self.targets: Any = labels.astype(np.int64 if labels.dtype.kind in "iub" else np.float32)
        check_labels(self.targets, range(len(labels)), self.classes, ignore_index)
        if self._mapped() is None:
            check_images(self.data, range(len(labels)))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        mapped = self._mapped()
        image = self.data[index] if mapped is None else mapped.take([operator.index(index)])[0]
        label = self.targets[index]
        label = label.item() if label.ndim == 0 else label
        if self.transform is not None:
            picture = image.ndim == 3 and image.dtype in _PICTURES
            image = self.transform(image.transpose(1, 2, 0) if picture else image)
        return image, label

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices`, gathered and transformed together where the transform can."""
        transform = batched_form(_AS_TENSOR if self.transform is None else self.transform)
        if transform is None:
            return super().batch(indices)
        images, labels = self.stored_batch(indices)
        if images.ndim == 4 and images.dtype in _PICTURES:
            images = images.transpose(0, 2, 3, 1)
        return transform(images), labels

    def stored_batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A copy of the images of `indices` as they are kept, and their labels."""
        indices = np.asarray(indices)
        mapped = self._mapped()
        if mapped is not None:
            return mapped.take(indices), self.targets[indices]
        images = self.data
        # otherwise `take` would copy all images, or read a mask as indices
        if images.flags.c_contiguous and indices.dtype.kind in "iu":
            return images.take(indices, axis=0), self.targets[indices]
        return images[indices], self.targets[indices]

    def _mapped(self) -> MappedRows | None:
        """The images' rows in their file, where they are mapped from one."""
        if not isinstance(self.data, np.memmap):
            return None
        if self._rows is None or self._rows.array is not self.data:
            self._rows = MappedRows(self.data)
        return self._rows

    def pixel_values(self) -> np.ndarray | None:
        """What each pixel value becomes in a batch: float32 (C, 256), or ``None``.

        There is such a table for uint8 images without a transform, or with `ToTensor` and `Normalize`, if all
        its values are finite. Then

            batch(indices)[0] == pixel_values()[channel, stored_batch(indices)[0]]

        to the bit, so that a kernel can make batches by looking values up.
        """
        transform = _AS_TENSOR if self.transform is None else self.transform
        pointwise = isinstance(transform, PointwiseTransform) and transform.is_pointwise()
        if self.data.dtype != np.uint8 or not pointwise:
            return None
        form = batched_form(transform)
        if form is None:
            return None
        channels = 1 if self.data.ndim == 3 else self.data.shape[1]
        all_values = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (1, 1, 256, channels))
        with np.errstate(over="ignore"):
            values = form(all_values)[0, :, 0]
        return values if np.isfinite(values).all() else None

    def __repr__(self) -> str:
        classes = "" if self.classes is None else f", {len(self.classes)} classes"
        return (f"{type(self).__name__}({len(self)} images of shape {self.data.shape[1:]}, "
                f"{self.data.dtype}{classes})")


def _channels_first(images: np.ndarray, data_format: str | None) -> np.ndarray:
    """The images, or a view of them, with the channels before height and width."""
    if images.ndim not in (3, 4):
        raise ValueError("images must have shape (N, H, W, C), (N, H, W) or (N, C, H, W), got "
                         f"{images.shape}")
    last = channels_last(images.shape, data_format) if images.ndim == 4 else False
    if last is None and _is_open(images.shape):
        raise ValueError(f"images of shape {images.shape} may be (N, C, H, W) or (N, H, W, C): say which, "
                         "as in ArrayDataset(images, labels, data_format='NCHW') or 'NHWC'; "
                         "images.transpose(0, 3, 1, 2) moves the channels from the last axis to axis 1")
    return images.transpose(0, 3, 1, 2) if last else images


def _is_open(shape: tuple[int, ...]) -> bool:
    """Whether a shape that `channels_last` leaves open is likely enough to be meant either way."""
    _, first, middle, last = shape
    both = first in CHANNELS and last in CHANNELS and shape[1:] != (1, 1, 1)
    return both or (first == middle and last < first)


class Subset(Dataset):
    """Some samples of a dataset, in the order of `indices`; batched as fast as the dataset itself.

    >>> import numpy
    >>> odd = Subset(ArrayDataset(numpy.zeros((4, 2, 2)), [0, 1, 2, 3]), [1, 3])
    >>> len(odd), odd.targets.tolist()
    (2, [1, 3])
    """

    dataset: IndexedDataset
    indices: np.ndarray

    def __init__(self, dataset: IndexedDataset, indices: Sequence[int] | np.ndarray):
        given = np.asarray(indices)
        if given.size and given.dtype.kind not in "iu":
            hint = "; of a mask take numpy.flatnonzero(mask)" if given.dtype == bool else ""
            raise TypeError(f"Subset needs whole numbers as indices; got {given.dtype}{hint}")
        self.dataset, self.indices = dataset, given.astype(np.int64)
        n = len(dataset)
        for i in self.indices[(self.indices < 0) | (self.indices >= n)][:1]:
            raise ValueError(f"index {i} is outside the dataset, which has {n} samples (0 to {n - 1})")

    @property
    def classes(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """The classes of the whole dataset."""
        return description.class_names(self.dataset)

    @property
    def ignore_index(self) -> int:  # type: ignore[override]
        """The label that stands for none, of the whole dataset."""
        return self.dataset.ignore_index if isinstance(self.dataset, Dataset) else Dataset.ignore_index

    @property
    def data(self) -> np.ndarray:
        """The images of the subset, where the dataset has `data`."""
        return self.dataset.data[self.indices]  # type: ignore[attr-defined]

    @property
    def targets(self) -> np.ndarray:
        """The labels of the subset, where the dataset has `targets`, one for each sample."""
        targets = description.targets(self.dataset)
        if targets is None:
            raise AttributeError(f"a Subset has `targets` where its dataset has one for each sample, and a "
                                 f"{type(self.dataset).__name__} has not")
        return targets[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices`, counted within the subset."""
        chosen = self.indices[np.asarray(indices)]
        if isinstance(self.dataset, Dataset):
            return self.dataset.batch(chosen)
        return stack([self.dataset[int(i)] for i in chosen], chosen)

    def stored_batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images of `indices` as the dataset keeps them: see `ArrayDataset.stored_batch`."""
        return cast(PixelTable, self.dataset).stored_batch(self.indices[np.asarray(indices)])

    def pixel_values(self) -> np.ndarray | None:
        """What each pixel value becomes in a batch: see `ArrayDataset.pixel_values`."""
        return self.dataset.pixel_values() if isinstance(self.dataset, PixelTable) else None


class ConcatDataset(Dataset):
    """The samples of several datasets, one dataset after the other.

    Attributes
    ----------
    datasets : list of Dataset
    cumulative_sizes : list of int
        How many samples there are up to the end of each.

    Raises
    ------
    ValueError, TypeError
        If there is no dataset, or one of them is a stream.

    >>> both = ConcatDataset([["a", "b"], ["c"]])
    >>> len(both), both[2], both[-1], both.cumulative_sizes
    (3, 'c', 'c', [2, 3])
    """

    datasets: list[IndexedDataset]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[IndexedDataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset needs at least one dataset")
        for dataset in self.datasets:
            if is_stream(dataset):
                raise TypeError(f"a {type(dataset).__name__} is a stream, which has no index; ChainDataset "
                                "joins streams")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        position = plain(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"sample {index} of a dataset of {len(self)}")
        position %= len(self)
        number = bisect_right(self.cumulative_sizes, position)
        return self.datasets[number][position - (self.cumulative_sizes[number - 1] if number else 0)]
