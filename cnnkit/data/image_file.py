"""One way to read an image file, whoever reads it: training, prediction, and what shows images.

The rules:

- The camera's orientation (EXIF, or XMP) is applied, so an image is upright as in a viewer.
- Gray of 16 bits is divided by 257, so 0..65535 becomes 0..255; colour of 16 bits is refused.
- Images of more pixels than the limit (`cnnkit.storage.limits`) are refused before they are decoded.
- Transparent pixels are put on white, whether by an alpha channel or by a transparent colour.
- Palettes, CMYK and 1 bit become gray or RGB by Pillow's ``convert``: 1 bit becomes 0 and 255.
- Of an animation, or a file of several pages, the first image is taken.
- The contents say which format it is, not the name.
- A JPEG that is to be made much smaller is decoded smaller, at twice the final size or more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnkit.data.filenames import printable, visible_files
from cnnkit.data.image_opening import DEEP, FORMATS, ImageError, opened
from cnnkit.storage import open_regular

__all__ = ["FORMATS", "ImageError", "ImageHead", "image_files", "image_head", "opened", "peculiarities",
           "read_image", "shortened", "upright"]

_GRAY = ("1", "L", "LA")
_MAY_MOVE = ("GIF", "PNG", "TIFF", "WEBP")  # formats whose files may hold several images
_ORIENTATION = 0x0112  # of EXIF and TIFF
_OVERSAMPLED = 2  # a JPEG is decoded at so many times the final size, or larger
_STRIP = 1 << 22  # pixels that are converted at a time, so that a large image is not in memory many times


class ImageHead(NamedTuple):
    """What an image file's header says, without decoding it."""

    mode: str
    """"L" for gray, "RGB" for colour."""
    size: tuple[int, int]
    """Height and width in pixels, upright."""
    deep: bool
    """Whether it is gray of more than 8 bits."""
    several: bool
    """Whether it is an animation or has several pages."""


def image_head(file: Path) -> ImageHead:
    """The header of an image file.

    Raises
    ------
    ImageError
        A ValueError: if the file is no image, or cannot be opened; the message names it.
    """
    with opened(file) as image:
        gray = image.mode in (*_GRAY, *DEEP) or (image.mode == "P" and image.palette.mode == "L")
        width, height = image.size
        if image.format == "TIFF":  # Pillow's versions differ in whether `size` is upright before decoding
            width, height = image.tag_v2[256], image.tag_v2[257]
        if _orientation(image, file) >= 5:
            width, height = height, width
        several = image.format in _MAY_MOVE and image.is_animated
        return ImageHead("L" if gray else "RGB", (height, width), image.mode in DEEP, several)


def read_image(file: Path, mode: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """One image file as uint8 pixels, by the rules above.

    Parameters
    ----------
    file : Path
        The file.
    mode : {"L", "RGB"}
        Gray (H, W) or colour (H, W, 3).
    size : (int, int), optional
        Resize it to this height and width in pixels: bilinear, with antialiasing.

    Returns
    -------
    ndarray of uint8
        Not to be written to: a cache may hold it.

    Raises
    ------
    ImageError
        A ValueError: if the file is no image, is cut off or damaged, has more pixels than the limit or more
        than 8 bits for each channel of its colours, or a range of values that nobody knows, as
        floating-point pixels have; the message names it.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGBA", (6, 4)).save(Path(folder) / "clear.png")
    ...     read_image(Path(folder) / "clear.png", "L").tolist()[0]
    [255, 255, 255, 255, 255, 255]
    """
    from PIL import Image

    with opened(file) as image:
        if size is not None and image.format in ("JPEG", "MPO"):
            _decode_smaller(image, mode, size)
        picture = upright(image)
        if size is None:
            pixels = np.empty((picture.height, picture.width, 3)[:2 if mode == "L" else 3], np.uint8)
            for top, strip in _strips(picture):
                pixels[top:top + strip.height] = np.asarray(_flat(strip, file, mode))
        else:
            flat = Image.new(mode, picture.size)
            for top, strip in _strips(picture):
                flat.paste(_flat(strip, file, mode), (0, top))
            pixels = np.asarray(flat.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    pixels.flags.writeable = False
    return pixels


def _strips(picture: Any) -> Iterator[tuple[int, Any]]:
    """A picture from top to bottom in pieces of whole rows, each with the number of its first row."""
    rows = max(1, _STRIP // max(1, picture.width))
    if rows >= picture.height:
        yield 0, picture
        return
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _flat(picture: Any, file: Path, mode: str) -> Any:
    """A picture in mode "L" or "RGB", without transparency."""
    from PIL import Image

    if picture.mode == "F":
        raise ImageError(f"{printable(file)} has more than 8 bits per pixel, as floating-point numbers, "
                         "whose range nobody knows; save it with 8 or 16 bits")
    if picture.mode in DEEP:
        picture = _eight_bits(picture, file)
    transparent = "transparency" in picture.info or (picture.mode == "P" and picture.palette.mode == "RGBA")
    if transparent or picture.mode in ("LA", "PA", "RGBA", "RGBa"):
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert(mode)


def image_files(folder: Path) -> list[Path]:
    """The visible files in a folder and below it whose names end as images' do, in whatever case, sorted."""
    return [file for file in visible_files(folder) if file.suffix.lower() in FORMATS]


def upright(image: Any) -> Any:
    """Decode an opened image, and turn it as its camera was held."""
    from PIL import Image

    image.load()
    turn = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_90}.get(1 if image.format == "TIFF" else _orientation(image))
    if turn is None:  # decoding a TIFF file has turned it already
        return image
    turned = image.transpose(turn)
    turned.info = image.info
    return turned


def _orientation(image: Any, undecoded: Path | None = None) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or EXIF is damaged: the pixels are still there.

    `undecoded` is the image's file, where its pixels have not been read.
    """
    from PIL import Image

    try:
        if undecoded is not None and image.format == "PNG" and "exif" not in image.info:
            block = _png_chunk(undecoded, b"eXIf")  # it may come after the pixels
            if block:
                exif = Image.Exif()
                exif.load(b"Exif\0\0" + block)
                return _one_to_eight(exif.get(_ORIENTATION))
        # not the PNG class's own method, which decodes the pixels
        return _one_to_eight(Image.Image.getexif(image).get(_ORIENTATION))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error):
        return 1


def _one_to_eight(value: Any) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_chunk(file: Path, kind: bytes) -> bytes:
    """The contents of a PNG file's first chunk of a kind, found without reading the others; or nothing."""
    with open_regular(file) as stream:
        stream.seek(8)  # the signature
        while len(header := stream.read(8)) == 8:
            length = int.from_bytes(header[:4], "big")
            if header[4:] == kind:
                return stream.read(min(length, 1 << 16))  # EXIF has no more
            stream.seek(length + 4, os.SEEK_CUR)  # and its checksum
    return b""


def _decode_smaller(image: Any, mode: str, size: tuple[int, int]) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8, where that is still twice as large as `size` or larger."""
    height, width = size if _orientation(image) < 5 else size[::-1]
    wanted = (_OVERSAMPLED * width, _OVERSAMPLED * height)
    if min(image.width // wanted[0], image.height // wanted[1]) >= 2:
        image.draft("L" if mode == "L" else None, wanted)


def _eight_bits(image: Any, file: Path) -> Any:
    """Gray of 16 bits as gray of 8: 0 to 65535 becomes 0 to 255, rounded, and the transparent value white."""
    from PIL import Image

    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{printable(file)} has 32 bits per pixel, with values from {low} to {high}, whose "
                         "range nobody knows; save it with 8 or 16 bits")
    pixels = ((np.arange(65536) + 128) // 257).astype(np.uint8)[values]
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels[values == transparent] = 255
    return Image.fromarray(pixels)


def peculiarities(files: Sequence[Path], heads: Sequence[ImageHead]) -> list[str]:
    """What should be said of images that were not taken as they are: one sentence for each kind."""
    sentences = []
    for what, chosen in (
            ("16 bits per pixel, which are scaled to 8 (0..65535 become 0..255)",
             [h.deep for h in heads]),
            ("several frames or pages, of which the first is taken", [h.several for h in heads])):
        found = [printable(file) for file, taken in zip(files, chosen) if taken]
        if found:
            sentences.append(f"{len(found):,} of {len(files):,} images "
                             f"{'has' if len(found) == 1 else 'have'} {what}: {shortened(found)}")
    return sentences


def shortened(names: Sequence[str], most: int = 3) -> str:
    """The first names of many.

    >>> shortened(["a", "b", "c", "d", "e"])
    'a, b, c, ... (5)'
    """
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])}, ... ({len(names):,})"
