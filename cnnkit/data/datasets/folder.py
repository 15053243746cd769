"""A folder of class folders: one sub-folder per class, full of images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import Dataset
from cnnkit.foreign import plain

__all__ = ["ImageFolder", "read_picture"]

# the only formats that Pillow may open, whatever a file's name says: it can read some by starting programs
_FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP",
    ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF",
    ".webp": "WEBP", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM",
}
GRAY = ("1", "L", "LA")


class ImageFolder(Dataset):
    """Images in a folder that has one sub-folder per class; decoded when they are accessed.

    Parameters
    ----------
    root : path
        ``root/cat/1.png``, ``root/cat/2.jpg``, ``root/dog/1.png``, ... Hidden and other files are ignored,
        and so are hidden folders and those that hold saved models and no images. Transparent images are put
        on white.
    transform : callable, optional
        Applied to each picture (H, W) or (H, W, 3) of uint8.
    size : int or (int, int), optional
        Resize every image to this height and width, in pixels (bilinear, with antialiasing).
    mode : {"L", "RGB"}, optional
        Gray or colour; by default gray if all images are.
    classes : sequence of str, optional
        The class folders' names in the order of their labels; by default all, sorted by name. Give a test set
        the classes of its training set.
    on_error : {"raise", "warn", "skip"}
        What to do about files that are no images or are damaged. ``"raise"`` raises ValueError: at once where
        the header shows it, otherwise when the image is accessed. The other two decode every image once, now,
        in threads, and leave damaged ones out; ``"warn"`` names them.

    Attributes
    ----------
    classes : tuple of str
        The names of the labels 0, 1, ...
    samples : list of (Path, int)
        Each image's file and label.
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
        If it has no class folders, one of them no images, a file cannot be read as an image or has more than
        8 bits per channel, or the images differ in size and `size` is not given: the message names the files.

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

    def __init__(self, root: str | os.PathLike, transform: Transform | None = None,
                 size: int | tuple[int, int] | None = None, mode: str | None = None, *,
                 classes: Sequence[str] | None = None, on_error: str = "raise"):
        self.root, self.transform = Path(root), transform
        if mode not in (None, "L", "RGB"):
            raise ValueError(f"mode must be 'L' (gray) or 'RGB', got {mode!r}")
        if on_error not in ("raise", "warn", "skip"):
            raise ValueError(f"on_error must be 'raise', 'warn' or 'skip', got {on_error!r}")
        if not self.root.is_dir():
            raise FileNotFoundError(f"there is no folder {self.root}")
        folders = sorted(f.name for f in self.root.iterdir() if f.is_dir() and not f.name.startswith(".")
                         and not _holds_models_only(f))
        if not folders:
            raise ValueError(f"{self.root} has no class folders: images must lie in one sub-folder per "
                             f"class, as in {self.root / 'cat' / '1.png'}")
        self.classes: tuple[str, ...] = tuple(folders if classes is None else classes)
        for name in folders:
            if name not in self.classes:
                raise ValueError(f"{self.root / name} is no folder of a known class "
                                 f"({', '.join(self.classes)})")
        self.samples = [(file, self.classes.index(name)) for name in folders
                        for file in _images_in(self.root / name)]
        self.corrupt: list[tuple[Path, str]] = [] if on_error == "raise" else self._drop_damaged()
        if on_error == "warn" and self.corrupt:
            reasons = "; ".join(reason for _, reason in self.corrupt[:5])
            warnings.warn(f"{len(self.corrupt)} damaged "
                          f"image{'s are' if len(self.corrupt) > 1 else ' is'} left out: {reasons}"
                          f"{'; ...' if len(self.corrupt) > 5 else ''}", stacklevel=2)
        self.targets = np.array([label for _, label in self.samples], np.int64)
        headers = [picture_head(file) for file, _ in self.samples]
        self.mode = mode or ("L" if all(color_mode in GRAY for color_mode, _ in headers) else "RGB")
        sizes = [height_width for _, height_width in headers]
        self._resize, size = size is not None, plain(size)
        self.image_size: tuple[int, int] = (size, size) if isinstance(size, int) else size or sizes[0]
        if size is None:
            for (file, _), (height, width) in zip(self.samples, sizes):
                if (height, width) != sizes[0]:
                    raise ValueError(f"images differ in size: {self.samples[0][0]} is {sizes[0][0]} x "
                                     f"{sizes[0][1]} pixels (height x width) but {file} is {height} x "
                                     f"{width}; give size= (--size on the command line)")

    def _drop_damaged(self) -> list[tuple[Path, str]]:
        """Decode every image in threads; remove the files that fail from `samples`, and return why."""
        def damage(sample: tuple[Path, int]) -> str:
            try:
                read_picture(sample[0], "RGB")
            except ValueError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(thread_name_prefix="cnnkit-data") as threads:
            reasons = list(threads.map(damage, self.samples))
        corrupt = [(file, reason) for (file, _), reason in zip(self.samples, reasons) if reason]
        self.samples = [sample for sample, reason in zip(self.samples, reasons) if not reason]
        if not self.samples:
            raise ValueError(f"{self.root} has no image that can be read: {corrupt[0][1]}")
        return corrupt

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        file, label = self.samples[index]
        image = np.asarray(read_picture(file, self.mode, self.image_size if self._resize else None))
        return (image if self.transform is None else self.transform(image)), label

    def __repr__(self) -> str:
        height, width = self.image_size
        return (f"ImageFolder({str(self.root)!r}: {len(self)} images, {height} x {width}, {self.mode}, "
                f"{len(self.classes)} classes)")


def _holds_models_only(folder: Path) -> bool:
    """Whether a folder is where `cnnkit train`, run beside the class folders, puts its models."""
    return any(folder.glob("*.safetensors")) and not _image_files(folder)


def _image_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in _FORMATS and not f.name.startswith("."))


def _images_in(folder: Path) -> list[Path]:
    """The images in a folder and below it, sorted by name."""
    files = _image_files(folder)
    if not files:
        raise ValueError(f"class folder {folder} holds no images ({' '.join(_FORMATS)})")
    return files


def picture_head(file: Path) -> tuple[str, tuple[int, int]]:
    """The colour mode and (height, width) that an image's header gives."""
    with _open_image(file) as image:
        _check_depth(file, image)
        if image.mode == "P" and image.palette.mode == "L":
            return "L", (image.height, image.width)
        return image.mode, (image.height, image.width)


def _check_depth(file: Path, image: Any) -> None:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(f"{file} has more than 8 bits per pixel (Pillow's mode {image.mode}); "
                         "save it with 8")


def read_picture(file: Path, mode: str, size: tuple[int, int] | None = None) -> Any:
    """One image file as a Pillow image of a mode ("L" or "RGB") and (height, width), put on white.

    Raises
    ------
    ValueError
        If it is no image, is damaged, or has more than 8 bits per channel; the message names the file.
    """
    from PIL import Image
    with _open_image(file) as image:
        _check_depth(file, image)
        try:
            if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                layer = image.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert(mode)
            else:
                picture = image.convert(mode)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{file} is cut off or damaged: {error}; replace or remove it") from None
        return picture if size is None else picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def _open_image(file: Path) -> Any:
    from PIL import Image
    try:
        return Image.open(file, formats=sorted(set(_FORMATS.values())))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as an image ({error}); replace or remove it") from None
