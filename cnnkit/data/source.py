"""From one word to training data: a name, a folder of class folders, or an .npz file."""

from __future__ import annotations

import difflib
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import Dataset
from cnnkit.data.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST, ImageFolder, digits, npz
from cnnkit.data.datasets.archive import array_names
from cnnkit.data.filenames import printable
from cnnkit.data.image_cache import ImageCache, as_cache
from cnnkit.data.parts import folder_parts
from cnnkit.data.transforms import ToTensor

__all__ = ["SOURCES", "load"]

SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100")
MAPPED = 1 << 28  # bytes: an uncompressed .npz file of this size or more is mapped, not read


def load(source: str | os.PathLike, *, root: str | os.PathLike | None = None,
         transform: Transform | None = None, size: int | Sequence[int] | None = None,
         mode: str | None = None, data_format: str | None = None, download: bool = False,
         on_error: str = "raise",
         cache: int | str | os.PathLike | ImageCache | None = None) -> tuple[Dataset, Dataset | None]:
    """Training and test data from a name or a path.

    Parameters
    ----------
    source : str or path
        ``"digits"``, ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``, ``"cifar100"``; a folder of
        class folders, or one that holds such folders ``train`` and perhaps ``test`` or ``val``, in whatever
        spelling (`parts.folder_parts`): ``Training``, ``valid``, ``dev_set``; or an .npz file, which is
        mapped where it is large and not compressed. Write ``./digits`` for a folder that has one of these
        names.
    root, download
        Where MNIST, Fashion-MNIST and CIFAR are, and whether to fetch the first two: see `datasets.MNIST`.
    transform : callable, optional
        Applied to each image; by default `transforms.ToTensor`.
    size, mode, on_error, cache
        For folders: see `datasets.ImageFolder`. Both parts share one cache, and its limit.
    data_format
        For .npz files: see `datasets.npz`.

    Returns
    -------
    train, test : Dataset, Dataset or None
        `test` is ``None`` where the source has no test part; both number the same classes.

    Raises
    ------
    ValueError
        If `source` is neither a known name nor a path to something (the message lists what is possible), or
        `size` is given for anything but a folder; if a test part has classes that the training part lacks, or
        images of another size.

    Warns
    -----
    UserWarning
        If a folder holds images that are not read, for being neither part; if a test part lacks classes; and
        whatever `ImageFolder` warns of.

    >>> train, test = load("digits")
    >>> len(train), len(test), train.image_shape, len(train.classes)
    (1438, 359, (1, 8, 8), 10)
    """
    path = Path(source)
    named = source in SOURCES
    if size is not None and (named or path.is_file()):
        raise ValueError("size= (--size on the command line) resizes the images of a folder; "
                         f"those of {os.fspath(source)} keep their size")
    if not named and path.is_dir() and os.fspath(source):  # an empty name is not the current folder
        return _folders(path, transform, size, mode, on_error, as_cache(cache))
    transform = ToTensor() if transform is None else transform
    if source == "digits":
        return digits(True, transform), digits(False, transform)
    if source in ("mnist", "fashion-mnist"):
        kind = MNIST if source == "mnist" else FashionMNIST
        return kind(root, True, transform, download), kind(root, False, transform, download)
    if source in ("cifar10", "cifar100"):
        photographs = CIFAR10 if source == "cifar10" else CIFAR100
        return photographs(root, True, transform), photographs(root, False, transform)
    if path.suffix == ".npz" and path.is_file():
        test_arrays = {"x_test", "X_test", "test_images"} & set(array_names(path))
        mode = "r" if path.stat().st_size >= MAPPED and not _compressed(path) else None
        return (npz(path, True, transform, data_format=data_format, mmap_mode=mode),
                npz(path, False, transform, data_format=data_format, mmap_mode=mode) if test_arrays else None)
    matches = difflib.get_close_matches(path.name.lower(), SOURCES, n=1)
    hint = f" Did you mean {matches[0]!r}?" if matches else ""
    problem = f"{path} is no .npz file" if path.is_file() else f"there is no data {os.fspath(source)!r}"
    raise ValueError(f"{problem}: give a name ({', '.join(SOURCES)}), a folder of class folders, "
                     f"or an .npz file.{hint}")


def _compressed(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())


def _folders(path: Path, transform: Transform | None, size: int | Sequence[int] | None, mode: str | None,
             on_error: str, cache: ImageCache | None) -> tuple[ImageFolder, ImageFolder | None]:
    """A folder's images, and those of its held-out part, as the same classes, mode and size."""
    def images(folder: Path, mode: str | None, classes: Sequence[str] | None = None) -> ImageFolder:
        data = ImageFolder(folder, ToTensor() if transform is None else transform, size, mode,
                           classes=classes, on_error=on_error, cache=cache)
        if transform is None and not data.all_one_size:
            raise ValueError(f"some images of {printable(folder)} stand and some lie, so they differ in "
                             "size; give size= (--size on the command line)")
        return data

    parts = folder_parts(path)
    if parts is None:
        return images(path, mode), None
    if parts.unread:
        warnings.warn(str(parts), stacklevel=3)
    train = images(parts.train, mode)
    if parts.held_out is None:
        return train, None
    test = images(parts.held_out, train.mode, train.classes)
    absent = [name for label, name in enumerate(train.classes) if label not in test.targets]
    if absent:
        warnings.warn(f"{printable(parts.held_out)} has no images of {', '.join(absent)}, which "
                      f"{printable(parts.train)} has", stacklevel=3)
    if test.image_size != train.image_size:
        raise ValueError(f"images differ in size: {printable(parts.train)} has "
                         f"{' x '.join(map(str, train.image_size))} pixels, {printable(parts.held_out)} "
                         f"{' x '.join(map(str, test.image_size))}; give size= (--size on the command line)")
    return train, test
