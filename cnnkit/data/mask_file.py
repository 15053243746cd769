"""One way to read a mask: an image file whose pixel values are class indices, not brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnkit.data.filenames import printable
from cnnkit.data.image_file import upright
from cnnkit.data.image_opening import ImageError, opened

__all__ = ["read_mask"]


def read_mask(file: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The class indices of a mask, upright, as uint8 (H, W).

    Parameters
    ----------
    file : Path
        An image with a palette, whose indices are taken, not their colours; gray; or of 1 bit, 0 and 1.
    size : (int, int), optional
        Resize it to this height and width in pixels, without mixing values: each pixel becomes the nearest.

    Raises
    ------
    ImageError
        A ValueError: if the file is no image, is cut off or damaged, has colours or values above 255, or is a
        JPEG, whose compression changes values; the message names it.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.array([[0, 7], [255, 1]], np.uint8)).save(Path(folder) / "mask.png")
    ...     read_mask(Path(folder) / "mask.png", size=(2, 4)).tolist()
    [[0, 0, 7, 7], [255, 255, 1, 1]]
    """
    with opened(file) as image:
        if image.format in ("JPEG", "MPO"):
            raise ImageError(f"{printable(file)} is a JPEG, whose compression changes values, so they are no "
                             "class indices; make the masks anew as PNG")
        picture = upright(image)
        if picture.mode not in ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"):
            raise ImageError(f"{printable(file)} has colours (Pillow's mode {picture.mode}), not one class "
                             "index for each pixel; save it as gray or with a palette")
        values = np.asarray(picture)
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ImageError(f"{printable(file)} has values from {values.min()} to {values.max()}; class indices "
                         "go from 0 to 255")
    values = values.astype(np.uint8)
    if size is not None:
        rows, columns = (((2 * np.arange(wanted) + 1) * actual) // (2 * wanted)
                         for wanted, actual in zip(size, values.shape))
        values = values[rows[:, None], columns]
    values.flags.writeable = False
    return values
