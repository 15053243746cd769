"""The pictures of `inspection.show` as one PNG file, for what is too fine for a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit import storage
from cnnkit.inspection.picture import Gallery, Picture, Sheet

__all__ = ["image_of", "save_sheet"]

WIDTH, MARGIN, GAP = 1000, 12, 10  # pixels
SMALLEST, LARGEST = 72, 480  # of a picture's longer side; smaller ones are enlarged by whole numbers
LINE = 16  # the height of a line of text


def save_sheet(sheet: Sheet, path: str | os.PathLike[str]) -> Path:
    """Write galleries, one below the other, as a PNG file; each picture with its caption.

    Parameters
    ----------
    sheet : Sheet
        Of `inspection.show`.
    path : path
        Ends with ``.png``; its folder is created.

    Raises
    ------
    ValueError
        If the path has another ending.
    """
    import io

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: pictures are written as PNG files; give a name that ends with .png")
    file = io.BytesIO()
    image_of(sheet).save(file, "PNG", optimize=True)
    storage.make_folder(path.parent)
    storage.write(path, file.getvalue())
    return path


def image_of(sheet: Sheet) -> Any:
    """Galleries, one below the other, as an image of Pillow in grey."""
    from PIL import Image, ImageDraw

    placed = [*_placed(sheet)]
    bottom = max((top + height for _, _, top, height in placed), default=0)
    image = Image.new("L", (WIDTH, bottom + MARGIN), 255)
    pen = ImageDraw.Draw(image)
    for what, left, top, _ in placed:
        if isinstance(what, str):
            pen.text((left, top), what.encode("latin-1", "replace").decode("latin-1"), fill=0)
        else:
            image.paste(what, (left, top))
    return image


def _placed(sheet: Sheet) -> Iterator[tuple[Any, int, int, int]]:
    """Texts and pictures with their left, their top and their height."""
    top = MARGIN
    for gallery in sheet.galleries:
        yield gallery.title, MARGIN, top, LINE
        top += LINE + 4
        left = tallest = 0
        for picture in gallery.pictures:
            scaled = _scaled(picture)
            wide = max(scaled.width, 6 * len(picture.caption))
            if left and MARGIN + left + wide > WIDTH - MARGIN:
                top, left, tallest = top + tallest + GAP, 0, 0
            yield picture.caption, MARGIN + left, top, LINE
            yield scaled, MARGIN + left, top + LINE, scaled.height
            left, tallest = left + wide + GAP, max(tallest, LINE + scaled.height)
        top += tallest + GAP
        top += _noted(gallery)
        if gallery.note:
            yield gallery.note, MARGIN, top - LINE, LINE
        top += GAP


def _noted(gallery: Gallery) -> int:
    return LINE if gallery.note else 0


def _scaled(picture: Picture) -> Any:
    """A picture, each pixel as a square of pixels; very large ones are made smaller."""
    from PIL import Image

    image = Image.fromarray(np.array(picture.levels, np.uint8))
    longest = max(image.size)
    times = max(1, -(-SMALLEST // longest))
    if times > 1:
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    if longest > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    return image
