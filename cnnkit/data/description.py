"""What a dataset says of itself: names of its classes, labels of all its samples, the shape of its images.

These are the attributes ``classes`` and ``targets`` of torchvision's datasets, and ``image_shape``. All are
optional, and are read only where their values fit: ``classes = 10`` or ``targets = "labels"`` of somebody's
dataset mean something else, and are left alone.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from cnnkit.data.contracts import IndexedDataset
from cnnkit.data.stream import is_stream
from cnnkit.foreign import is_array, is_whole

__all__ = ["class_names", "dataset_of", "image_shape", "indexed", "targets"]


def indexed(value: Any) -> TypeGuard[IndexedDataset]:
    """Whether a value is an `IndexedDataset`, and no text.

    >>> indexed([1]), indexed("digits"), indexed({}), indexed(iter([1]))
    (True, False, False, False)
    """
    return isinstance(value, IndexedDataset) and not isinstance(value, str | bytes | dict)


def dataset_of(loader: Any) -> Any:
    """The dataset that a loader goes through, where it has a ``dataset``, as `DataLoader` and PyTorch's have.

    >>> from cnnkit.data import DataLoader
    >>> class Photographs:
    ...     dataset = "holiday"
    >>> dataset_of(DataLoader([1, 2])), dataset_of(Photographs())
    ([1, 2], None)
    """
    dataset = getattr(loader, "dataset", None)
    return dataset if indexed(dataset) or is_stream(dataset) else None


def class_names(dataset: Any) -> tuple[str, ...] | None:
    """The dataset's ``classes``, where that is a sequence of texts: the names of the labels 0, 1, ...

    >>> class Flowers:
    ...     classes = ["rose", "tulip"]
    >>> class_names(Flowers()), class_names([])
    (('rose', 'tulip'), None)
    """
    names = getattr(dataset, "classes", None)
    if not isinstance(names, Sequence) or isinstance(names, str):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def targets(dataset: Any) -> np.ndarray | None:
    """The dataset's ``targets``, where there is one for each sample: (N,), or (N, ...) of regression.

    >>> class Flowers(list):
    ...     targets = [0, 1]
    >>> targets(Flowers("ab")), targets(Flowers("abc"))
    (array([0, 1]), None)
    """
    values: Any = getattr(dataset, "targets", None)
    if (is_array(values) and not values.shape) or not indexed(values) or not indexed(dataset):
        return None
    return np.asarray(values) if len(values) == len(dataset) else None


def image_shape(dataset: Any) -> tuple[int, int, int] | None:
    """The dataset's ``image_shape``, where that is (C, H, W); `Dataset` has it of its first sample.

    >>> class Flowers:
    ...     image_shape = (3, 32, 32)
    >>> image_shape(Flowers()), image_shape([])
    ((3, 32, 32), None)
    """
    shape = getattr(dataset, "image_shape", None)
    if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(map(is_whole, shape)):
        return None
    channels, height, width = map(operator.index, shape)
    return (channels, height, width) if min(channels, height, width) > 0 else None
