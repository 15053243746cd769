"""A dataset of Tensors, gathered where they are: images that fit on a device need no way over the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.autograd import Tensor
from cnnkit.data.checks import check_labels
from cnnkit.data.dataset import Dataset
from cnnkit.foreign import device_of, is_array
from cnnkit.ops.dtypes import is_floating

__all__ = ["TensorDataset"]

BRIGHTEST = {"uint8": 255, "uint16": 65535}


class TensorDataset(Dataset):
    """Images and labels as Tensors, on any device, where their batches are made and stay.

    Parameters
    ----------
    images : Tensor or array, (N, ...)
        As the network takes them, (N, C, H, W) of floats; of uint8 (0 to 255) and uint16 (0 to 65535) batches
        are made in float32, from 0 to 1. Not copied.
    labels : Tensor or array, (N, ...)
        Of the same backend: class labels, which become int64, or what else the loss takes.

    Raises
    ------
    TypeError
        If images or labels are no arrays, or of two backends.
    ValueError
        If there are no images, the counts differ, a label is negative, or an image holds NaN or infinity.

    >>> import cnnkit
    >>> data = TensorDataset(cnnkit.tensor([[[[0.5]]], [[[1.5]]]]), cnnkit.tensor([0, 1]))
    >>> images, labels = data.batch([1])
    >>> images.tolist(), labels.tolist()
    ([[[[1.5]]]], [1])
    """

    images: Tensor
    labels: Tensor

    def __init__(self, images: Any, labels: Any):
        for name, values in (("images", images), ("labels", labels)):
            if not is_array(values):
                raise TypeError(f"TensorDataset takes {name} as a Tensor or an array of any library; got "
                                f"{type(values).__name__}. ArrayDataset takes lists, too")
        x, y = (values.detach() if isinstance(values, Tensor) else Tensor(values)
                for values in (images, labels))
        if x.backend != y.backend:
            raise TypeError(f"the images are of backend {x.backend!r} and the labels of {y.backend!r}; move "
                            "one with Tensor.to")
        if not x.shape or not y.shape or x.shape[0] != y.shape[0] or not x.numel():
            raise ValueError("there must be images, and one label for each; got images of shape "
                             f"{x.shape}, labels of shape {y.shape}")
        xp = backends.namespace_of(x.array)
        if not is_floating(y.dtype) and backends.dtype_name(y.dtype) != "int64":
            y = y.to(dtype="int64")
        self.images, self.labels = x, y
        self.targets: Any = y.numpy()
        check_labels(self.targets, range(len(self)), None, self.ignore_index)
        with backends.on(x.array):
            if is_floating(x.dtype) and not bool(xp.all(xp.isfinite(x.array))):
                raise ValueError("an image holds NaN or infinity; remove or repair it")

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        images, labels = self.batch([int(index)])
        return images[0], labels[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[Any, Any]:
        """The images and labels of `indices`, as Tensors beside them."""
        array, labels = self.images.array, self.labels.array
        chosen, backend = np.asarray(indices, np.int64), backends.backend_of(array)
        if len(chosen) and ((chosen < -len(self)) | (chosen >= len(self))).any():
            raise IndexError(f"the dataset has {len(self)} samples, 0 to {len(self) - 1}")
        xp = backend.namespace
        with backends.on(array):
            if len(chosen) and (np.diff(chosen) == 1).all():  # neighbours: a view, and no indices to move
                part = slice(int(chosen[0]), int(chosen[-1]) + 1)
                x, y = array[part, ...], labels[part, ...]
            else:
                places = backend.asarray(chosen, "int64", device_of(array))
                x, y = xp.take(array, places, axis=0), xp.take(labels, places, axis=0)
            brightest = BRIGHTEST.get(backends.dtype_name(x.dtype))
            if brightest is not None:
                x = xp.astype(x, xp.float32) / brightest
        return Tensor(x), Tensor(y)

    def __repr__(self) -> str:
        return (f"TensorDataset({len(self)} images of shape {self.images.shape[1:]}, "
                f"{backends.dtype_name(self.images.dtype)}, backend={self.images.backend!r})")
