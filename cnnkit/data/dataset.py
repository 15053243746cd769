"""Datasets: a sequence of (image, label) pairs, held in arrays or computed one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from cnnkit.data import description
from cnnkit.data.checks import check_images, check_labels
from cnnkit.data.contracts import IndexedDataset, PixelTable, PointwiseTransform, Transform
from cnnkit.data.transforms import ToTensor
from cnnkit.data.transforms.compose import batched_form
from cnnkit.foreign import is_tensor

__all__ = ["ArrayDataset", "Dataset", "Subset"]

_AS_TENSOR = ToTensor()


class Dataset:
    """A sequence of (image, label) pairs; a subclass gives `__len__` and `__getitem__`.

    `DataLoader` takes any object with these two methods, PyTorch's datasets among them; this
    class adds `batch`.

    Attributes
    ----------
    classes : tuple of str or None
        The names of the labels 0, 1, ..., where they are known.

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

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # Python's default would go on until __getitem__ raises IndexError
        return (self[i] for i in range(len(self)))

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices` as two host arrays; override it to gather them faster."""
        return stack([self[int(i)] for i in indices], indices)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of one image as the network gets it."""
        return self.batch([0])[0].shape[1:]


def stack(samples: Sequence[tuple[Any, Any]],
          indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join (image, label) pairs to a batch: what `DataLoader` does with the samples of any sequence.

    uint8 pictures become float32 (N, C, H, W) in [0, 1] as `ToTensor` makes them; other images stay as they
    are. Integer labels become int64.

    Raises
    ------
    TypeError
        If a sample is no pair.
    ValueError
        If the images differ in shape; the message names two of them.
    """
    try:
        images, labels = zip(*samples, strict=True)
    except (TypeError, ValueError):
        sample = samples[0]
        kind = f"a tuple of {len(sample)}" if isinstance(sample, tuple) else f"a {type(sample).__name__}"
        raise TypeError("a dataset must give (image, label) pairs, "
                        f"but sample {indices[0]} is {kind}") from None
    arrays = [np.asarray(image) for image in images]
    if arrays[0].dtype == np.uint8 and arrays[0].ndim == 3 and is_tensor(images[0]):
        # PyTorch's tensors have the channels first, uint8 ones too
        arrays = [array.transpose(1, 2, 0) for array in arrays]
    for i, array in zip(indices, arrays):
        if array.shape != arrays[0].shape:
            raise ValueError("images of one batch must have one shape: "
                             f"image {indices[0]} of the dataset has shape {arrays[0].shape}, "
                             f"image {i} has {array.shape}; resize or crop them in the transform")
    batch, targets = np.stack(arrays), np.asarray(labels)
    if batch.dtype == np.uint8:
        batch = _AS_TENSOR.transform_batch(batch)
    return batch, targets.astype(np.int64) if np.issubdtype(targets.dtype, np.integer) else targets


class ArrayDataset(Dataset):
    """Images and labels in two arrays, checked once, batched without a loop.

    Parameters
    ----------
    images : array of shape (N, H, W) or (N, C, H, W)
        uint8 with values 0 to 255, or float. It is kept, not copied.
    labels : array of shape (N,)
        Integers from 0; kept as int64.
    classes : int or sequence of str, optional
        The number of classes, or their names; every label must be below that number.
    transform : callable, optional
        Applied to each image: as in torchvision, a uint8 image is passed as a picture (H, W) or (H, W, C), a
        float image as (H, W) or (C, H, W). Without one, samples are the images as they are stored, and
        batches are what `ToTensor` makes of them.

    Attributes
    ----------
    data : ndarray
        The images as given.
    targets : ndarray of int64, shape (N,)
        The labels.

    Raises
    ------
    TypeError
        If the images are neither uint8 nor float, or the labels are no integers.
    ValueError
        If there are no images, the counts differ, a label is out of range, or an image holds NaN or infinity
        (arrays mapped from a file are checked batch by batch instead, in the loader).

    >>> import numpy
    >>> data = ArrayDataset(numpy.zeros((5, 28, 28), "uint8"), [0, 1, 2, 0, 1], classes=3)
    >>> len(data), data.image_shape, data.classes
    (5, (1, 28, 28), ('0', '1', '2'))
    >>> data.batch([4, 2])[1].tolist()
    [1, 2]
    """

    def __init__(self, images: Any, labels: Any, classes: int | Sequence[str] | None = None,
                 transform: Transform | None = None):
        self.data = np.asarray(images) if not isinstance(images, np.ndarray) else images
        labels = np.asarray(labels)
        if isinstance(classes, int):
            classes = [str(i) for i in range(classes)]
        self.classes = None if classes is None else tuple(classes)
        self.transform = transform
        if self.data.ndim not in (3, 4):
            raise ValueError(f"images must have shape (N, H, W) or (N, C, H, W), got {self.data.shape}")
        if self.data.dtype != np.uint8 and not np.issubdtype(self.data.dtype, np.floating):
            raise TypeError(f"images must be uint8 (0 to 255) or float, got {self.data.dtype}; "
                            "scale them to 0..255 and use .astype('uint8')")
        if labels.ndim != 1:
            raise ValueError(f"labels must have shape (N,), got {labels.shape}; "
                             "one-hot labels become indices with .argmax(axis=1)")
        if len(self.data) != len(labels):
            raise ValueError(f"{len(self.data)} images but {len(labels)} labels: "
                             "there must be one label per image")
        if len(labels) == 0 or 0 in self.data.shape:
            raise ValueError(f"the dataset is empty: images of shape {self.data.shape}")
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(f"class labels must be integers from 0, got {labels.dtype}; number them with "
                            "numpy.unique(labels, return_inverse=True)")
        self.targets = labels.astype(np.int64)
        check_labels(self.targets, range(len(labels)), self.classes)
        if not isinstance(self.data, np.memmap):
            check_images(self.data, range(len(labels)))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, label = self.data[index], int(self.targets[index])
        if self.transform is not None:
            picture = image.ndim == 3 and image.dtype == np.uint8
            image = self.transform(image.transpose(1, 2, 0) if picture else image)
        return image, label

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of `indices`, gathered and transformed together where the transform can."""
        transform = batched_form(_AS_TENSOR if self.transform is None else self.transform)
        if transform is None:
            return super().batch(indices)
        images, labels = self.stored_batch(indices)
        if images.ndim == 4 and images.dtype == np.uint8:
            images = images.transpose(0, 2, 3, 1)
        return transform(images), labels

    def stored_batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A copy of the images of `indices` as they are kept, and their labels."""
        indices = np.asarray(indices)
        images = np.asarray(self.data)  # a plain view, also of a memory map
        # otherwise `take` would copy all images, or read a mask as indices
        if images.flags.c_contiguous and indices.dtype.kind in "iu":
            return images.take(indices, axis=0), self.targets[indices]
        return images[indices], self.targets[indices]

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


class Subset(Dataset):
    """Some samples of a dataset, in the order of `indices`; batched as fast as the dataset itself.

    >>> import numpy
    >>> odd = Subset(ArrayDataset(numpy.zeros((4, 2, 2)), [0, 1, 2, 3]), [1, 3])
    >>> len(odd), odd.targets.tolist()
    (2, [1, 3])
    """

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
