"""From one word to training data: a name, a folder of images, a CSV file of labels, or an .npz file."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import Dataset
from cnnkit.data.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST, ImageFolder, ImageTable, digits, npz
from cnnkit.data.datasets.array_file import open_archive
from cnnkit.data.datasets.folder import class_folders
from cnnkit.data.datasets.image_files import ImageFiles
from cnnkit.data.filenames import is_hidden, printable
from cnnkit.data.image_cache import ImageCache, as_cache
from cnnkit.data.label_table import read_label_table
from cnnkit.data.parts import folder_parts, part_of_name
from cnnkit.data.transforms import ToTensor

__all__ = ["SOURCES", "load"]

SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100")
MAPPED = 1 << 28  # bytes: an uncompressed .npz file of this size or more is mapped, not read


def load(source: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None,
         transform: Transform | None = None, size: int | Sequence[int] | None = None,
         mode: str | None = None, data_format: str | None = None, download: bool = False,
         on_error: str = "raise",
         cache: int | str | os.PathLike[str] | ImageCache | None = None) -> tuple[Dataset, Dataset | None]:
    """Training and test data from a name or a path.

    Parameters
    ----------
    source : str or path
        ``"digits"``, ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``, ``"cifar100"``; a folder of
        class folders, or one that holds such folders ``train`` and perhaps ``test`` or ``val``, in whatever
        spelling (`parts.folder_parts`): ``Training``, ``valid``, ``dev_set``; a CSV file of labels
        beside its images, or a folder with one (`datasets.ImageTable`); or an .npz file, which is mapped
        where it is large and not compressed. Write ``./digits`` for a folder that has one of these names.
    root, download
        Where MNIST, Fashion-MNIST and CIFAR are, and whether to fetch the first two: see `datasets.MNIST`.
    transform : callable, optional
        Applied to each image; by default `transforms.ToTensor`.
    size, mode, on_error, cache
        For image files: see `datasets.ImageFolder`. Both parts share one cache, and its limit.
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
        `size` is given for anything but image files; if a test part has classes that the training part lacks,
        or images of another size.

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
    if size is not None and (named or (path.is_file() and path.suffix.lower() != ".csv")):
        raise ValueError("size= (--size on the command line) resizes the images of a folder; "
                         f"those of {os.fspath(source)} keep their size")
    if not named and path.is_dir() and os.fspath(source):  # an empty name is not the current folder
        return _folder(path, mode, _Reading(transform, size, on_error, as_cache(cache)))
    if path.suffix.lower() == ".csv" and path.is_file():
        return _table(path, mode, _Reading(transform, size, on_error, as_cache(cache)))
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
        with open_archive(path) as archive:
            test_arrays = {"x_test", "X_test", "test_images"} & set(archive.names)
            mode = "r" if path.stat().st_size >= MAPPED and not archive.compressed() else None
        return (npz(path, True, transform, data_format=data_format, mmap_mode=mode),
                npz(path, False, transform, data_format=data_format, mmap_mode=mode) if test_arrays else None)
    matches = difflib.get_close_matches(path.name.lower(), SOURCES, n=1)
    hint = f" Did you mean {matches[0]!r}?" if matches else ""
    problem = f"{path} is no .npz file" if path.is_file() else f"there is no data {os.fspath(source)!r}"
    raise ValueError(f"{problem}: give a name ({', '.join(SOURCES)}), a folder of class folders, "
                     f"a .csv file of labels, or an .npz file.{hint}")


@dataclass
class _Reading:
    """How images in files are read, for all parts of a source alike."""

    transform: Transform | None
    size: int | Sequence[int] | None
    on_error: str
    cache: ImageCache | None

    def __call__(self, kind: type[ImageFolder] | type[ImageTable], path: Path, mode: str | None,
                 **more: Any) -> Any:
        data = kind(path, transform=ToTensor() if self.transform is None else self.transform, size=self.size,
                    mode=mode, on_error=self.on_error, cache=self.cache, **more)
        if self.transform is None and not data.all_one_size:
            raise ValueError(f"some images of {printable(path)} stand and some lie, so they differ in size; "
                             "give size= (--size on the command line)")
        return data


def _folder(path: Path, mode: str | None, read: _Reading) -> tuple[Dataset, Dataset | None]:
    """A folder's images, and those of its held-out part, as the same classes, mode and size."""
    parts = folder_parts(path)
    if parts is None:
        table = _lone_table(path)
        return _table(table, mode, read) if table is not None else (read(ImageFolder, path, mode), None)
    if parts.unread:
        warnings.warn(str(parts), stacklevel=3)
    train = read(ImageFolder, parts.train, mode)
    if parts.held_out is None:
        return train, None
    test = read(ImageFolder, parts.held_out, train.mode, classes=train.classes)
    _check_pair(train, test, printable(parts.train), printable(parts.held_out))
    return train, test


def _lone_table(path: Path) -> Path | None:
    """The CSV file of a folder that has just one, and no class folders, but at most one folder of images."""
    tables = [file for file in path.iterdir() if file.suffix.lower() == ".csv" and not is_hidden(file.name)]
    return tables[0] if len(tables) == 1 and len(class_folders(path)) < 2 else None


def _table(path: Path, mode: str | None, read: _Reading) -> tuple[Dataset, Dataset | None]:
    """A table's images, or those of its training part, and those of its test or else validation part."""
    found = {part_of_name(row.split) for row in read_label_table(path) if row.split is not None}
    if "train" not in found:
        return read(ImageTable, path, mode), None
    train = read(ImageTable, path, mode, part="train")
    part = next((part for part in ("test", "validation") if part in found), None)
    if part is None:
        return train, None
    test = read(ImageTable, path, train.mode, part=part)
    _check_pair(train, test, f"the training part of {printable(path)}", f"the {part} part")
    return train, test


def _check_pair(train: ImageFiles, test: ImageFiles, train_name: str, test_name: str) -> None:
    """Warn where the held-out part lacks classes; raise ValueError where its images have another size."""
    present = {label for _, label in test.samples}
    absent = [name for label, name in enumerate(train.classes or ()) if label not in present]
    if absent:
        warnings.warn(f"{test_name} has no images of {', '.join(absent)}, which {train_name} has",
                      stacklevel=4)
    if test.image_size != train.image_size:
        raise ValueError(f"images differ in size: {train_name} has "
                         f"{' x '.join(map(str, train.image_size))} pixels, {test_name} "
                         f"{' x '.join(map(str, test.image_size))}; give size= (--size on the command line)")
