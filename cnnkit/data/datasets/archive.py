"""Images in NumPy's files: .npz with the usual names, and pairs of .npy; mapped on request, no pickle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.datasets.array_file import ArrayHead, array_head, open_archive, read_body, regular_file
from cnnkit.data.filenames import printable
from cnnkit.data.layout import channels_last
from cnnkit.storage import FormatError

__all__ = ["npy", "npz", "read_arrays"]

_TRAIN = (("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"))
_TEST = (("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"))
_WHOLE = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "targets"), ("data", "target"))


def npz(path: str | os.PathLike[str], train: bool = True, transform: Transform | None = None, *,
        classes: int | Sequence[str] | None = None, data_format: str | None = None,
        mmap_mode: str | None = None) -> ArrayDataset:
    """Images and labels from an .npz file.

    Parameters
    ----------
    path : path
        A file with arrays ``x_train, y_train, x_test, y_test``, or ``x, y``; ``X``, ``images, labels``,
        ``data, target(s)`` and ``train_images, train_labels, ...`` are known too.
    train : bool
        In a file with two parts, which one. A file without parts is training data.
    transform : callable, optional
        Applied to each image.
    classes : int or sequence of str, optional
        Their number or names; by default as many as the largest label in the file says.
    data_format : {"NHWC", "NCHW"}, optional
        Where the channels of a four-dimensional array are; needed only where its shape leaves that open.
    mmap_mode : {"r"}, optional
        Leave the images in the file, which may be larger than memory, and read what a batch takes. That needs
        images that are stored uncompressed, by ``numpy.savez``; compressed ones (``numpy.savez_compressed``)
        are read into memory all the same, with a warning. A mapped array's checksum is not checked, and NaN
        is looked for batch by batch.

    Returns
    -------
    ArrayDataset
        `data` has shape (N, H, W) or (N, C, H, W).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged, has none of these arrays (the message lists those it has), needs a
        pickle to be read, asks for more memory than the limits allow (`cnnkit.storage.limits`), or does not
        say where the channels are; and whatever `ArrayDataset` finds.

    >>> import numpy, tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
    ...     numpy.savez(file, x=numpy.zeros((6, 32, 32, 3), "uint8"), y=[0, 1, 2, 0, 1, 2])
    ...     _ = file.flush()
    ...     npz(file.name)
    ArrayDataset(6 images of shape (3, 32, 32), uint8, 3 classes)
    """
    names = array_names(path)
    candidates = (*_TRAIN, *_WHOLE) if train else _TEST
    pair = next((pair for pair in candidates if set(pair) <= set(names)), None)
    if pair is None:
        raise FormatError(f"{printable(path)} holds no {'' if train else 'test '}images and labels under a "
                          f"known name: it has the arrays {', '.join(map(printable, names)) or '(none)'}; "
                          f"save them as {' and '.join(candidates[0])}" + (" or x and y" if train else ""))
    images, labels = read_arrays(path, *pair) if mmap_mode is None else _mapped(path, *pair, mmap_mode)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if classes is None and labels.size and np.issubdtype(labels.dtype, np.integer):
        other_parts = [y for _, y in (*_TRAIN, *_TEST) if y in names and y != pair[1]]
        all_labels = [labels, *(read_arrays(path, y)[0] for y in other_parts)]
        classes = int(max(y.max() for y in all_labels if y.size)) + 1
        if classes > max(1000, len(labels)):
            raise FormatError(f"{printable(path)}: the labels go up to {classes - 1} but there are "
                              f"{len(labels)} images; number the classes from 0 with "
                              "numpy.unique(labels, return_inverse=True), or pass classes= in Python")
    try:
        return ArrayDataset(channels_first(images, data_format), labels, classes, transform,
                            data_format="NCHW")
    except (TypeError, ValueError) as error:
        raise FormatError(f"{printable(path)}: {error}") from None


def channels_first(images: np.ndarray, data_format: str | None = None) -> np.ndarray:
    """View (N, H, W, C) images as (N, C, H, W); by default the axis of length 1, 3 or 4 is the channels.

    >>> channels_first(np.zeros((2, 8, 9, 3))).shape
    (2, 3, 8, 9)
    """
    if data_format not in (None, "NHWC", "NCHW"):
        raise ValueError(f"data_format must be 'NHWC' or 'NCHW', got {data_format!r}")
    if images.ndim != 4:
        if images.ndim != 3:
            raise ValueError("images must have shape (N, H, W), (N, H, W, C) or (N, C, H, W), "
                             f"got {images.shape}; reshape flat images to their height and width")
        return images
    last = channels_last(images.shape, data_format)
    if last is None:
        raise ValueError(f"images of shape {images.shape} may be (N, C, H, W) or (N, H, W, C): "
                         "pass data_format='NCHW' or 'NHWC' in Python; the command line needs 1, "
                         "3 or 4 channels on one of these axes and another size on the other")
    return images.transpose(0, 3, 1, 2) if last else images


def npy(images: str | os.PathLike[str], labels: str | os.PathLike[str], transform: Transform | None = None, *,
        classes: int | Sequence[str] | None = None, data_format: str | None = None,
        mmap_mode: str | None = "r") -> ArrayDataset:
    """Images and labels from two .npy files, the images left in their file and read as batches need them.

    Parameters
    ----------
    images, labels : path
        What ``numpy.save`` has written: (N, H, W), (N, C, H, W) or (N, H, W, C), and (N,).
    transform, classes, data_format
        As in `npz`.
    mmap_mode : {"r"} or None
        ``None`` reads the images into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if a file is damaged, needs a pickle to be read, or asks for more memory than the limits
        allow (`cnnkit.storage.limits`); and whatever `ArrayDataset` finds.

    >>> import numpy, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/x.npy", numpy.zeros((6, 32, 32, 3), "uint8"))
    ...     numpy.save(f"{folder}/y.npy", [0, 1, 2, 0, 1, 2])
    ...     npy(f"{folder}/x.npy", f"{folder}/y.npy", classes=3)
    ArrayDataset(6 images of shape (3, 32, 32), uint8, 3 classes)
    """
    _check_mode(mmap_mode)
    arrays = [_read_npy(path, mode) for path, mode in ((images, mmap_mode), (labels, None))]
    try:
        return ArrayDataset(channels_first(arrays[0], data_format), arrays[1], classes, transform,
                            data_format="NCHW")
    except (TypeError, ValueError) as error:
        raise FormatError(f"{printable(images)} and {printable(labels)}: {error}") from None


def _read_npy(path: str | os.PathLike[str], mmap_mode: str | None) -> np.ndarray:
    """A .npy file's array: mapped, or in memory."""
    what = f"{printable(path)} is no .npy file of numbers, or is cut off or damaged: it"
    with regular_file(path) as file:
        head, size = array_head(file, what), os.fstat(file.fileno()).st_size
        if mmap_mode is None:
            return read_body(file, head, size - head.length, size, what)
    if head.nbytes > size - head.length:
        raise FormatError(f"{what} has {size:,} bytes, and its shape {head.shape} needs "
                          f"{head.length + head.nbytes:,}; get the file again")
    return _map(path, head, head.length)


def _check_mode(mmap_mode: str | None) -> None:
    if mmap_mode not in (None, "r"):
        raise ValueError(f"mmap_mode must be 'r' or None: images are only read; got {mmap_mode!r}")


def _mapped(path: str | os.PathLike[str], images: str, labels: str,
            mmap_mode: str) -> tuple[np.ndarray, np.ndarray]:
    """The images as a memory map of the file, where they are stored uncompressed, and the labels."""
    _check_mode(mmap_mode)
    with open_archive(path) as archive:
        place = archive.stored(images)
        if place is None:
            warnings.warn(f"{printable(path)}: {images} is compressed, so all of it is read into memory; "
                          "numpy.savez stores it so that it can be mapped", stacklevel=3)
            return archive.read(images), archive.read(labels)
        return _map(path, *place), archive.read(labels)


def _map(path: str | os.PathLike[str], head: ArrayHead, start: int) -> np.ndarray:
    if head.nbytes == 0:
        return np.empty(head.shape, head.dtype)  # there is nothing to map
    return np.memmap(path, head.dtype, "r", start, head.shape, "F" if head.fortran else "C")


def array_names(path: str | os.PathLike[str]) -> list[str]:
    """The names of the arrays in an .npz file."""
    with open_archive(path) as archive:
        return archive.names


def read_arrays(path: str | os.PathLike[str], *names: str) -> list[np.ndarray]:
    """The arrays called `names` of an .npz file, in the machine's byte order; others are not decompressed."""
    with open_archive(path) as archive:
        return [archive.read(name) for name in names]
