"""A folder of class folders: one sub-folder per class, full of images."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.datasets.image_files import ImageFiles, checked_on_error
from cnnkit.data.filenames import printable, subfolders, visible_files
from cnnkit.data.image_cache import ImageCache
from cnnkit.data.image_file import FORMATS, image_files

__all__ = ["ImageFolder", "class_folders", "images_in"]

# images by their names' endings, but of formats that Pillow does not read or that may run programs
_UNREAD = {".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw",
           ".eps", ".jp2", ".tga", ".dcm", ".exr"}


class ImageFolder(ImageFiles):
    """Images in a folder that has one sub-folder per class; decoded when they are accessed.

    How a file is read (orientation, transparency, 16 bits, animations) is the same everywhere in cnnkit, and
    written down in `cnnkit.data.image_file`.

    Parameters
    ----------
    root : path
        ``root/cat/1.png``, ``root/cat/2.jpg``, ``root/dog/more/1.png``, ... Hidden files and folders, and
        what systems leave behind (``__MACOSX``, ``@eaDir``, ``Thumbs.db``), are passed over at any depth, and
        so are files with other endings, and folders that hold saved models and no images. Links are followed.
    transform : callable, optional
        Applied to each picture (H, W) or (H, W, 3) of uint8.
    size : int or (int, int), optional
        Resize every image to this height and width, in pixels (bilinear, with antialiasing). JPEGs that are
        four times as large or larger are decoded smaller, at twice this size or more: much faster, and
        almost the same pixels.
    mode : {"L", "RGB"}, optional
        Gray or colour; by default gray if all images are.
    classes : sequence of str, optional
        The class folders' names in the order of their labels; by default all, sorted by name, character by
        character. Give a test set the classes of its training set.
    on_error : {"raise", "warn", "skip"}
        What to do about files that are no images or are damaged. ``"raise"`` raises ValueError: at once where
        the header shows it, otherwise when the image is accessed. The other two decode every image once, now,
        in threads, and leave damaged ones out; ``"warn"`` names them. With a cache they are decoded into it.
    cache : int, path or ImageCache, optional
        Keep decoded images: in memory, up to this number of bytes, or in this folder, from one run to the
        next (`cnnkit.data.image_cache`).

    Attributes
    ----------
    classes : tuple of str
        The names of the labels 0, 1, ...; bytes of a folder's name that are no UTF-8 are escaped.
    samples : list of (Path, int)
        Each image's file and label, sorted by the names of folders and files within a class.
    targets : ndarray of int64
        The labels.
    image_size : (int, int)
        Height and width, in pixels.
    corrupt : list of (Path, str)
        The files that were left out, and why.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it has no class folders, one of them no images or an unknown name, a file cannot be read as an
        image, or the images differ in size and `size` is not given: the message names the files.

    Warns
    -----
    UserWarning
        If images have 16 bits, or several frames or pages; if there are files of image formats that are not
        read, such as .heic.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("cat", "dog"):
    ...         (Path(root) / name).mkdir()
    ...         Image.new("RGB", (32, 24)).save(Path(root) / name / "1.png")
    ...     data = ImageFolder(root)
    ...     data.classes, data[1][0].shape, data.image_shape
    (('cat', 'dog'), (24, 32, 3), (3, 24, 32))
    """

    def __init__(self, root: str | os.PathLike[str], transform: Transform | None = None,
                 size: int | Sequence[int] | None = None, mode: str | None = None, *,
                 classes: Sequence[str] | None = None, on_error: str = "raise",
                 cache: int | str | os.PathLike[str] | ImageCache | None = None):
        checked_on_error(on_error)
        folder = Path(root)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {printable(folder)}")
        folders = {printable(found.name): found for found in class_folders(folder)}
        if not folders:
            raise ValueError(f"{printable(folder)} has no class folders: images must lie in one sub-folder "
                             f"per class, as in {printable(folder / 'cat' / '1.png')}")
        self.classes: tuple[str, ...] = tuple(folders if classes is None else classes)
        _check_known(folder, list(folders), self.classes)
        samples = [(file, self.classes.index(name)) for name, found in folders.items()
                   for file in images_in(found)]
        endings = (file.suffix.lower() for found in folders.values() for file in visible_files(found))
        unread = Counter(ending for ending in endings if ending in _UNREAD)
        if unread:
            warnings.warn(f"{printable(folder)}: {unread.total():,} files of formats that are not read are "
                          f"passed over: {_endings(unread)}; save them as .png or .jpg", stacklevel=2)
        super().__init__(folder, samples, transform, size, mode, on_error, cache)
        self.targets: np.ndarray = np.array([label for _, label in self.samples], np.int64)


def class_folders(root: Path) -> list[Path]:
    """The class folders in a folder: visible sub-folders, but for those with saved models and no images."""
    return [folder for folder in subfolders(root)
            if not any(folder.glob("*.safetensors")) or image_files(folder)]


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and below it, sorted by name.

    Raises
    ------
    ValueError
        If there are none; the message says what there is.
    """
    files = image_files(folder)
    if not files:
        others = Counter(file.suffix.lower() or "no ending" for file in visible_files(folder))
        holds = f"; it holds {_endings(others)}" if others else ""
        raise ValueError(f"the folder {printable(folder)} holds no images ({' '.join(FORMATS)}){holds}")
    return files


def _endings(counts: Counter[str]) -> str:
    return ", ".join(f"{printable(ending)} ({count:,})" for ending, count in counts.most_common(5))


def _check_known(root: Path, folders: Sequence[str], classes: Sequence[str]) -> None:
    """Raise ValueError if folders are none of the classes, naming all of them."""
    unknown = [name for name in folders if name not in classes]
    if not unknown:
        return
    lower = {name.lower(): name for name in classes}
    similar = [f"{name} and {lower[name.lower()]}" for name in unknown if name.lower() in lower]
    problem = (f"{printable(root / unknown[0])} is no folder of a known class" if len(unknown) == 1 else
               f"the folders {', '.join(unknown)} in {printable(root)} are of no known class")
    raise ValueError(f"{problem} ({', '.join(classes)})"
                     + (f"; {', '.join(similar)} differ only in capital letters" if similar else "")
                     + "; rename or remove them" * (len(unknown) > 1 or bool(similar)))
