"""Images in NumPy's files: .npz with the usual names, and pairs of .npy; mapped on request, no pickle."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.layout import channels_last

__all__ = ["npy", "npz", "read_arrays"]

_TRAIN = (("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"))
_TEST = (("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"))
_WHOLE = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "targets"), ("data", "target"))


def npz(path: str | os.PathLike, train: bool = True, transform: Transform | None = None, *,
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
    ValueError
        If it is damaged, has none of these arrays (the message lists those it has), needs a pickle to be
        read, or does not say where the channels are; and whatever `ArrayDataset` finds.

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
        raise ValueError(f"{path} holds no {'' if train else 'test '}images and labels under a known name: "
                         f"it has the arrays {', '.join(names) or '(none)'}; "
                         f"save them as {' and '.join(candidates[0])}" + (" or x and y" if train else ""))
    images, labels = read_arrays(path, *pair) if mmap_mode is None else _mapped(path, *pair, mmap_mode)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if classes is None and labels.size and np.issubdtype(labels.dtype, np.integer):
        other_parts = [y for _, y in (*_TRAIN, *_TEST) if y in names and y != pair[1]]
        all_labels = [labels, *(read_arrays(path, y)[0] for y in other_parts)]
        classes = int(max(y.max() for y in all_labels if y.size)) + 1
        if classes > max(1000, len(labels)):
            raise ValueError(f"{path}: the labels go up to {classes - 1} but there are {len(labels)} images; "
                             "number the classes from 0 with numpy.unique(labels, return_inverse=True), "
                             "or pass classes= in Python")
    try:
        return ArrayDataset(channels_first(images, data_format), labels, classes, transform,
                            data_format="NCHW")
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from None


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


def npy(images: str | os.PathLike, labels: str | os.PathLike, transform: Transform | None = None, *,
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
    ValueError
        If a file is damaged or needs a pickle to be read; and whatever `ArrayDataset` finds.

    >>> import numpy, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/x.npy", numpy.zeros((6, 32, 32, 3), "uint8"))
    ...     numpy.save(f"{folder}/y.npy", [0, 1, 2, 0, 1, 2])
    ...     npy(f"{folder}/x.npy", f"{folder}/y.npy", classes=3)
    ArrayDataset(6 images of shape (3, 32, 32), uint8, 3 classes)
    """
    _check_mode(mmap_mode)
    arrays: list[np.ndarray] = []
    for path, mode in ((images, mmap_mode), (labels, None)):
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path}")
        try:
            arrays.append(np.lib.format.open_memmap(path, mode="r"))  # never a pickle
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"{path} is no .npy file of numbers, or is cut off or damaged ({error}); get it "
                             "again, or save it with numpy.save as an array of one number type") from None
        if mode is None:
            arrays[-1] = _native(np.array(arrays[-1]))
    try:
        return ArrayDataset(channels_first(arrays[0], data_format), arrays[1], classes, transform,
                            data_format="NCHW")
    except (TypeError, ValueError) as error:
        raise type(error)(f"{images} and {labels}: {error}") from None


def _check_mode(mmap_mode: str | None) -> None:
    if mmap_mode not in (None, "r"):
        raise ValueError(f"mmap_mode must be 'r' or None: images are only read; got {mmap_mode!r}")


def _mapped(path: str | os.PathLike, images: str, labels: str,
            mmap_mode: str) -> tuple[np.ndarray, np.ndarray]:
    """The images as a memory map of the file, where they are stored uncompressed, and the labels."""
    _check_mode(mmap_mode)
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        member = next(info for info in archive.infolist() if info.filename in (images, f"{images}.npy"))
        if member.compress_type != zipfile.ZIP_STORED:
            warnings.warn(f"{path}: {images} is compressed, so all of it is read into memory; "
                          "numpy.savez stores it so that it can be mapped", stacklevel=3)
            return tuple(read_arrays(path, images, labels))  # type: ignore[return-value]
        file.seek(member.header_offset)
        # the local header, whose extra field may be longer than the directory's (APPNOTE.TXT, 4.3.7)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise ValueError(f"{path}: array {images!r} is damaged (no header where the directory has it); "
                             "get the file again")
        file.seek(member.header_offset + 30 + sum(struct.unpack("<HH", header[26:30])))
        start = file.tell()
        try:
            version = np.lib.format.read_magic(file)
            readers = {(1, 0): np.lib.format.read_array_header_1_0,
                       (2, 0): np.lib.format.read_array_header_2_0}
            shape, fortran, dtype = readers[version](file)
            if dtype.hasobject:  # read_arrays raises the error that explains it
                return tuple(read_arrays(path, images, labels))  # type: ignore[return-value]
            if dtype.itemsize * int(np.prod(shape, dtype=object)) != member.file_size - (file.tell() - start):
                raise ValueError(f"its size does not fit its shape {shape}")
            mapped = np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
        except (ValueError, KeyError, EOFError, OSError) as error:
            raise ValueError(f"{path}: array {images!r} is damaged ({error}); get the file again") from None
    return mapped, read_arrays(path, labels)[0]


def array_names(path: str | os.PathLike) -> list[str]:
    """The names of the arrays in an .npz file."""
    with _open(path) as archive:
        return list(archive.files)


def read_arrays(path: str | os.PathLike, *names: str) -> list[np.ndarray]:
    """The arrays called `names` of an .npz file, in the machine's byte order; others are not decompressed."""
    with _open(path) as archive:
        arrays = []
        for name in names:
            try:
                arrays.append(_native(archive[name]))
            except KeyError:
                raise ValueError(f"{path} has no array {name!r}, only {', '.join(archive.files)}") from None
            except ValueError as error:
                if "allow_pickle" in str(error):
                    raise ValueError(f"{path}: array {name!r} holds Python objects, which only a "
                                     "pickle can store, and cnnkit opens none, for a pickle can run code; "
                                     "save it as numbers of one dtype") from None
                raise ValueError(f"{path}: array {name!r} is damaged ({error}); get the file again") from None
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                raise ValueError(f"{path}: array {name!r} is damaged ({error}); get the file again") from None
        return arrays


def _native(array: np.ndarray) -> np.ndarray:
    """An array in the machine's byte order, which array libraries and kernels need."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


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
            problem = (f"is cut off or damaged ({error})" if start == b"PK"
                       else f"is no .npz file (it begins with {start!r})")
            raise ValueError(f"{path} {problem}; get the file again") from None
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError(f"{path} holds a single array; save images and labels together with "
                             "numpy.savez(path, x=, y=)")
        with archive:
            yield archive
