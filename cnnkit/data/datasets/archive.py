"""Images in a NumPy archive (.npz): the usual names for arrays, and never a pickle."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cnnkit.data.dataset import ArrayDataset

__all__ = ["npz", "read_arrays"]

_TRAIN = (("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"))
_TEST = (("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"))
_WHOLE = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "targets"), ("data", "target"))
_CHANNELS = (1, 3, 4)  # gray, RGB, RGB and alpha


def npz(path: str | os.PathLike, train: bool = True, transform: Callable | None = None, *,
        classes: int | Sequence[str] | None = None, data_format: str | None = None) -> ArrayDataset:
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

    Returns
    -------
    ArrayDataset
        `data` has shape (N, H, W) or (N, C, H, W).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, has none of these arrays (the message lists those it has), needs a pickle to be read, or does
        not say where the channels are; and whatever `ArrayDataset` finds.

    >>> import numpy, tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
    ...     numpy.savez(file, x=numpy.zeros((6, 32, 32, 3), "uint8"), y=[0, 1, 2, 0, 1, 2])
    ...     _ = file.flush()
    ...     npz(file.name)
    ArrayDataset(6 images of shape (3, 32, 32), uint8, 3 classes)
    """
    names = array_names(path)
    wanted = (*_TRAIN, *_WHOLE) if train else _TEST
    pair = next((pair for pair in wanted if set(pair) <= set(names)), None)
    if pair is None:
        raise ValueError(f"{path} holds no {'' if train else 'test '}images and labels under a known name: it has the "
                         f"arrays {', '.join(names) or '(none)'}; save them as {' and '.join(wanted[0])}"
                         + (" or x and y" if train else ""))
    images, labels = read_arrays(path, *pair)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if classes is None and labels.size and np.issubdtype(labels.dtype, np.integer):
        every = [labels, *(read_arrays(path, y)[0] for _, y in (*_TRAIN, *_TEST) if y in names and y != pair[1])]
        classes = int(max(y.max() for y in every if y.size)) + 1
        if classes > max(1000, len(labels)):
            raise ValueError(f"{path}: the labels go up to {classes - 1} but there are {len(labels)} images; number "
                             "the classes from 0 with numpy.unique(labels, return_inverse=True), or pass classes= in Python")
    try:
        return ArrayDataset(channels_first(images, data_format), labels, classes, transform)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from None


def channels_first(images: np.ndarray, data_format: str | None = None) -> np.ndarray:
    """View (N, H, W, C) images as (N, C, H, W); without `data_format` the axis with 1, 3 or 4 entries is the channels.

    >>> channels_first(np.zeros((2, 8, 9, 3))).shape
    (2, 3, 8, 9)
    """
    if data_format not in (None, "NHWC", "NCHW"):
        raise ValueError(f"data_format must be 'NHWC' or 'NCHW', got {data_format!r}")
    if images.ndim != 4:
        if images.ndim != 3:
            raise ValueError(f"images must have shape (N, H, W), (N, H, W, C) or (N, C, H, W), got {images.shape}; "
                             "reshape flat images to their height and width")
        return images
    first, last = images.shape[1] in _CHANNELS, images.shape[3] in _CHANNELS
    if data_format is None and first == last:
        raise ValueError(f"images of shape {images.shape} may be (N, C, H, W) or (N, H, W, C): pass data_format='NCHW' "
                         "or 'NHWC' in Python; the command line needs 1, 3 or 4 channels on one of these axes and another "
                         "size on the other")
    if data_format == "NHWC" or (data_format is None and last):
        return images.transpose(0, 3, 1, 2)
    return images


def array_names(path: str | os.PathLike) -> list[str]:
    """The names of the arrays in an .npz file."""
    with _open(path) as archive:
        return list(archive.files)


def read_arrays(path: str | os.PathLike, *names: str) -> list[np.ndarray]:
    """The arrays called `names` of an .npz file; the others are not decompressed."""
    with _open(path) as archive:
        arrays = []
        for name in names:
            try:
                arrays.append(archive[name])
            except KeyError:
                raise ValueError(f"{path} has no array {name!r}, only {', '.join(archive.files)}") from None
            except ValueError as error:
                if "allow_pickle" in str(error):
                    raise ValueError(f"{path}: array {name!r} holds Python objects, which only a pickle can store, and "
                                     "cnnkit opens none, for a pickle can run code; save it as numbers of one dtype"
                                     ) from None
                raise ValueError(f"{path}: array {name!r} is damaged ({error}); get the file again") from None
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                raise ValueError(f"{path}: array {name!r} is damaged ({error}); get the file again") from None
        return arrays


@contextmanager
def _open(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with open(path, "rb") as file:  # given a path, np.load leaves a damaged file open
        try:
            archive = np.load(file, allow_pickle=False)
        except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
            file.seek(0)
            start = file.read(2)
            what = f"is cut off or damaged ({error})" if start == b"PK" else f"is no .npz file (it begins with {start!r})"
            raise ValueError(f"{path} {what}; get the file again") from None
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError(f"{path} holds a single array; save images and labels together with "
                             "numpy.savez(path, x=, y=)")
        with archive:
            yield archive
