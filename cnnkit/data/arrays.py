"""Arrays as a dataset: the one set of rules by which `fit`, `evaluate` and `predict` take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.data.checks import check_images, check_labels
from cnnkit.data.dataset import ArrayDataset, Dataset
from cnnkit.data.host import fitting_dtype, host_array
from cnnkit.data.input_format import InputFormat
from cnnkit.data.layout import channels_last

__all__ = ["Samples", "dataset_of_arrays"]

_BRIGHTEST = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


class Samples(Dataset):
    """Arrays (N, ...) and their targets, shapes unchanged: signals, volumes, rows of numbers.

    uint8 is divided by 255 and uint16 by 65535; all else becomes `dtype`.

    >>> Samples([[0.5, 1.5], [2.5, 3.5]], [0, 1]).batch([1])[0].tolist()
    [[2.5, 3.5]]
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __init__(self, inputs: Any, targets: Any, dtype: str = "float32"):
        self.inputs, self.targets = host_array(inputs, "inputs"), host_array(targets, "labels")
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        if len(self.inputs) != len(self.targets):
            raise ValueError("Found input variables with inconsistent numbers of samples: "
                             f"[{len(self.inputs)}, {len(self.targets)}]")

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        inputs, targets = self.batch([index])
        return inputs[0], targets[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and targets of `indices`."""
        inputs = self.inputs[np.asarray(indices)]
        brightest = _BRIGHTEST.get(inputs.dtype)
        scaled = inputs.astype(self.dtype) if brightest is None else inputs / self.dtype.type(brightest)
        return scaled, self.targets[np.asarray(indices)]


def dataset_of_arrays(images: Any, labels: Any = None, *, learnt: InputFormat | None = None,
                      channels: int | None = None, rank: int = 2, dtype: str = "float32",
                      ignore_index: int = -100) -> Dataset:
    """A dataset of images, or of other inputs, and their labels, as the network takes them.

    Parameters
    ----------
    images : whatever `host_array` takes
        Images (N, H, W), (N, C, H, W) or (N, H, W, C): uint8 and uint16 are scaled to [0, 1], (N, H, W) gets
        its channel, and the channels move to the front. Rows (N, F), and what a network of other `rank`
        takes, keep their shape.
    labels : whatever `host_array` takes, optional
        Class labels (N,), masks (N, H, W), or numbers; without them all are 0.
    learnt : InputFormat, optional
        What the network has learnt from: pictures are normalised as then, and where the shape leaves open
        which axis holds the channels, this says it.
    channels : int, optional
        How many channels the network takes, where that is known.
    rank : int
        The number of axes that the network convolves: 2 for images.
    dtype : str
        The network's dtype.
    ignore_index : int
        The label that counts for nothing.

    Raises
    ------
    TypeError, ValueError
        As `ArrayDataset`.

    >>> dataset_of_arrays(np.zeros((2, 8, 8, 3), "uint8")).image_shape
    (3, 8, 8)
    """
    array = host_array(images)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"there are no images; the data are empty, an array of shape {array.shape}")
    targets = np.zeros(len(array), np.int64) if labels is None else host_array(labels, "labels")
    wide = dtype == "float64" and array.dtype.kind == "f"
    if rank == 2 and array.ndim in (3, 4):
        format = _data_format(array.shape, learnt, channels) if array.ndim == 4 else None
        transform = None if learnt is None or array.dtype not in _BRIGHTEST else learnt.transform()
        dataset = ArrayDataset(array, targets, transform=transform, data_format=format,
                               ignore_index=ignore_index)
        if learnt is not None:
            learnt.check_channels((1, *dataset.data.shape[1:]) if dataset.data.ndim == 4
                                  else (len(array), 1, *array.shape[1:]))
        if not wide:
            return dataset
        array, targets = dataset.data if dataset.data.ndim == 4 else dataset.data[:, None], dataset.targets
    if array.dtype.kind in "iu" and array.dtype not in _BRIGHTEST:
        raise TypeError("inputs must be uint8 (0 to 255), uint16 (0 to 65535) or float, got "
                        f"{array.dtype}{fitting_dtype(array)}, or .astype('float32') if they are no pixels")
    samples = Samples(array, _kept(targets), dtype if wide else "float32")
    samples.ignore_index = ignore_index
    check_labels(samples.targets, range(len(array)), None, ignore_index)
    check_images(array, range(len(array)))
    return samples


def _kept(targets: np.ndarray) -> np.ndarray:
    return targets.astype(np.int64 if targets.dtype.kind in "iub" else np.float32)


def _data_format(shape: tuple[int, ...], learnt: InputFormat | None, channels: int | None) -> str | None:
    """Where the channels are, if what the network has learnt from, or its first layer, says so."""
    if learnt is not None and learnt.channels is not None:
        C, H, W = learnt.shape
        if shape[1:] in ((C, H, W), (H, W, C)):
            return "NCHW" if shape[1:] == (C, H, W) else "NHWC"
        channels = C
    last = channels_last(shape, channels=channels)
    return None if last is None else "NHWC" if last else "NCHW"
