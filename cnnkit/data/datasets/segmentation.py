"""Images with masks: what each pixel shows, for training by the pixel."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.datasets.image_files import ImageFiles, checked_on_error
from cnnkit.data.filenames import printable, subfolders
from cnnkit.data.image_cache import ImageCache
from cnnkit.data.image_file import ImageError, image_files, image_head, shortened
from cnnkit.data.mask_file import read_mask

__all__ = ["SegmentationFolder"]

IGNORED = -100  # the target that losses pass over, as PyTorch's ignore_index
_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "inputs")
_MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentationclass", "gt", "groundtruth",
          "targets")
_LOOKED_AT = 8  # masks whose values are looked at when the dataset is made
_ENDINGS = re.compile(r"[ _.-](mask|masks|label|labels|gt|seg|segmentation|l)$", re.IGNORECASE)


class SegmentationFolder(ImageFiles):
    """Images and masks in two folders, under equal names; decoded when they are accessed.

    A sample is (image, mask): the image as `ImageFolder` gives it, the mask (H, W) of int64, a class index
    for each pixel, as ``F.cross_entropy`` takes it beside scores (N, classes, H, W).

    Parameters
    ----------
    root : path
        ``root/images/1.jpg`` and ``root/masks/1.png``. The mask may be called ``1_mask.png`` too. The masks'
        pixel values are class indices: gray, or a palette's indices (`cnnkit.data.mask_file`).
    transform : callable, optional
        Applied to each picture (H, W) or (H, W, 3) of uint8.
    size : int or (int, int), optional
        Resize images to this height and width, in pixels (bilinear, with antialiasing), and masks too
        (nearest).
    mode : {"L", "RGB"}, optional
        Gray or colour; by default gray if all images are.
    images, masks : str, optional
        The sub-folders' names; by default usual ones such as ``images`` and ``masks``, in any case.
    classes : sequence of str, optional
        The names of the class indices 0, 1, ...: others are then refused.
    values : mapping of int to int, optional
        The class of each value in the files, where these are no class indices, such as ``{0: 0, 255: 1}``;
        other values are refused.
    ignore : int or None
        The value of pixels that do not count: they become -100, the losses' ``ignore_index``. A value in
        `values` is not ignored.
    transforms : callable, optional
        Called as ``transforms(image, mask)`` after `transform`, and gives both: for changes that an image and
        its mask must share, as torchvision's datasets have it.
    on_error, cache
        See `ImageFolder`. Images without a mask, and masks without an image, count as damaged ones.

    Attributes
    ----------
    samples : list of (Path, Path)
        Each image's file and its mask's, sorted by the images' names.
    classes : tuple of str or None
        As given.
    image_size, corrupt
        See `ImageFolder`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If images and masks do not fit each other, in name or size, or for what `ImageFolder` raises it; when
        a sample is accessed, if its mask has a value that is no class: the message names the files.

    Warns
    -----
    UserWarning
        If the first masks have no values but 0 and 255, and 255 is ignored; and for what `ImageFolder` warns.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("images", "masks"):
    ...         (Path(root) / name).mkdir()
    ...     Image.new("RGB", (32, 24)).save(Path(root) / "images" / "1.jpg")
    ...     Image.new("L", (32, 24), 255).save(Path(root) / "masks" / "1.png")
    ...     image, mask = SegmentationFolder(root, size=4)[0]
    ...     image.shape, mask.tolist()[0], str(mask.dtype)
    ((4, 4, 3), [-100, -100, -100, -100], 'int64')
    """

    ignore: int | None
    values: Mapping[int, int] | None
    transforms: Callable[..., Any] | None

    def __init__(self, root: str | os.PathLike[str], transform: Transform | None = None,
                 size: int | Sequence[int] | None = None, mode: str | None = None, *,
                 images: str | None = None, masks: str | None = None, classes: Sequence[str] | None = None,
                 values: Mapping[int, int] | None = None, ignore: int | None = 255,
                 transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None, on_error: str = "raise",
                 cache: int | str | os.PathLike[str] | ImageCache | None = None):
        checked_on_error(on_error)
        folder = Path(root)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {printable(folder)}")
        self.classes: tuple[str, ...] | None = None if classes is None else tuple(classes)
        self.values, self.ignore, self.transforms = values, ignore, transforms
        self._classes_of_values = self._table()
        pairs, alone = _paired(_part(folder, "images", images, _IMAGES),
                               _part(folder, "masks", masks, _MASKS))
        if alone and on_error == "raise":
            problems = shortened([problem for _, problem in alone])
            raise ValueError(f"images and masks do not fit each other: {problems}; complete them, or leave "
                             'them out with on_error="skip"')
        super().__init__(folder, pairs, transform, size, mode, on_error, cache, alone)
        self._warn_of_two_values()

    def _table(self) -> np.ndarray:
        """The target of each value 0 to 255 in a file; -1 of values that are refused."""
        count = 256 if self.classes is None else len(self.classes)
        table = np.full(256, -1, np.int64)
        if self.ignore is not None:
            if not 0 <= self.ignore <= 255:
                raise ValueError(f"ignore={self.ignore}: values in files go from 0 to 255; None ignores none")
            table[self.ignore] = IGNORED
        if self.values is None:
            numbers = np.arange(min(count, 256))
            free = numbers[numbers != self.ignore]
            table[free] = free
        for value, label in (self.values or {}).items():
            if not 0 <= value <= 255 or not (0 <= label < count or label == IGNORED):
                raise ValueError(f"values={{{value}: {label}}}: values in files go from 0 to 255, "
                                 f"class indices from 0 to {count - 1}, and {IGNORED} is ignored")
            table[value] = label
        return table

    def _warn_of_two_values(self) -> None:
        """Warn where masks seem to have 255 for what is to be found, and it is ignored."""
        if self.values is not None or self.ignore != 255:
            return
        found = {int(value) for _, mask in self.samples[:_LOOKED_AT] for value in np.unique(read_mask(mask))}
        if found == {0, 255}:
            warnings.warn(f"{printable(self.root)}: masks have the values 0 and 255 only, and pixels of 255 "
                          "are ignored; if 255 is a class, give values={0: 0, 255: 1}", stacklevel=3)

    def _head(self, index: int) -> Any:
        image, mask = self.samples[index]
        head, size = super()._head(index), image_head(mask).size
        if head.size != size:
            raise ImageError(f"{printable(image)} has {head.size[0]} x {head.size[1]} pixels, its mask "
                             f"{printable(mask)} {size[0]} x {size[1]}; make them equal")
        return head

    def _try(self, index: int) -> None:
        super()._try(index)
        self._target(index)

    def _target(self, index: int) -> np.ndarray:
        """The mask of a sample: int64 (H, W)."""
        file = self.samples[index][1]
        values = (read_mask(file, self._size) if self.cache is None else
                  self.cache.image(file, "mask", self._size, lambda file, mode, size: read_mask(file, size)))
        target = self._classes_of_values[values]
        if target.min() == -1:
            value = values[target == -1].min()
            problem = "values= lacks" if self.classes is None else f"is none of {len(self.classes)} classes"
            raise ImageError(f"{printable(file)} has the value {value}, which {problem}; correct the mask, "
                             "or give its class in values=")
        return target

    def _sample(self, image: np.ndarray, target: Any) -> tuple[Any, Any]:
        image, mask = super()._sample(image, target)
        return (image, mask) if self.transforms is None else self.transforms(image, mask)


def _part(root: Path, what: str, name: str | None, usual: Sequence[str]) -> Path:
    """The sub-folder of images or masks."""
    folders = subfolders(root)
    if name is not None:
        if not (root / name).is_dir():
            raise FileNotFoundError(f"{what}={name!r}: there is no folder {printable(root / name)}")
        return root / name
    for candidate in usual:
        for folder in folders:
            if "".join(letter for letter in folder.name.lower() if letter.isalnum()) == candidate:
                return folder
    raise ValueError(f"{printable(root)} has no folder {usual[0]!r}, but "
                     f"{', '.join(printable(folder.name) for folder in folders) or 'no folders at all'}; "
                     f"name the folder with {what}=")


def _paired(images: Path, masks: Path) -> tuple[list[tuple[Path, Path]], list[tuple[Path, str]]]:
    """Pairs of files with equal names; and those that have no partner, with what is missing."""
    by_name: dict[str, list[Path]] = {}
    for file in image_files(masks):
        by_name.setdefault(file.relative_to(masks).with_suffix("").as_posix(), []).append(file)
    shorter: dict[str, list[Path]] = {}
    for name, files in by_name.items():
        shorter.setdefault(_ENDINGS.sub("", name), []).extend(files)
    pairs, alone, used = [], [], set()
    for file in image_files(images):
        name = file.relative_to(images).with_suffix("").as_posix()
        found = by_name.get(name) or shorter.get(name) or []
        if len(found) > 1:
            raise ValueError(f"{printable(file)} has two masks, {printable(found[0])} and "
                             f"{printable(found[1])}")
        if not found:
            alone.append((file, f"{printable(file)} has no mask in {printable(masks)}"))
            continue
        if found[0] in used:
            raise ValueError(f"two images have the mask {printable(found[0])}, one is {printable(file)}")
        used.add(found[0])
        pairs.append((file, found[0]))
    alone += [(file, f"{printable(file)} has no image in {printable(images)}")
              for files in by_name.values() for file in files if file not in used]
    return pairs, alone
