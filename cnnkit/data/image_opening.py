"""Opening an image file: regular files of known formats, of at most so many pixels and bits; one error."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnkit.data.filenames import printable
from cnnkit.storage import FormatError, limits, open_regular

__all__ = ["DEEP", "FORMATS", "ImageError", "opened"]

# the only formats that Pillow may open, whatever a file's name says: it can read some by starting programs
FORMATS = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of more than 8 bits of gray
_OUT_OF_HANDLES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # says nothing of the file
_BITS_PER_SAMPLE, _TILE_WIDTH, _TILE_LENGTH = 258, 322, 323  # of TIFF


class ImageError(FormatError):
    """A file that cannot be read as an image; the message names it and says what to do."""


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """An image file as Pillow opens it; what is wrong with the file becomes an `ImageError`.

    Pillow gets the open file, not its name: given a name, it maps some files into memory, and a mapped file
    that becomes shorter ends the process.
    """
    from PIL import Image

    name, problem = printable(file), "cannot be read as an image"
    try:
        with (open_regular(file) as stream,
              Image.open(stream, formats=sorted(set(FORMATS.values()))) as image):
            problem = "is cut off or damaged"
            _check_size(image, name)
            if _bits(image, file) > 8 and image.mode not in (*DEEP, "F"):
                raise ImageError(f"{name} has more than 8 bits for each channel of its colours, of which "
                                 "only the upper 8 could be read; save it with 8 bits a channel, or as gray")
            yield image
    except (ImageError, MemoryError):
        raise
    except FormatError as error:
        raise ImageError(str(error)) from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has too many pixels ({error}); at most {limits.limit('image_pixels'):,} "
                         f"are read. If you trust it, raise {limits.variable('image_pixels')} and "
                         "PIL.Image.MAX_IMAGE_PIXELS") from None
    except Exception as error:  # on damaged files Pillow raises errors of many kinds
        if isinstance(error, OSError) and error.errno in _OUT_OF_HANDLES:
            raise
        raise ImageError(f"{name} {problem}: {_reason(file, error)}; replace or remove it") from None


def _check_size(image: Any, name: str) -> None:
    """Raise FormatError if an image, or a tile of it, has more pixels than the limit."""
    limits.check("image_pixels", image.width * image.height, name)
    if image.format == "TIFF":
        width, length = (image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH))
        if isinstance(width, int) and isinstance(length, int):
            limits.check("image_pixels", width * length, f"{name}: a tile")


def _bits(image: Any, file: Path) -> int:
    """Bits of a channel, where a format may have more than 8."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, 8)
        return max(bits) if isinstance(bits, tuple) else int(bits)
    if image.format not in ("PNG", "PPM"):
        return 8
    with open_regular(file) as stream:
        head = stream.read(4096)
    if image.format == "PNG":
        return head[24]  # IHDR comes first: width, height, bits
    numbers = re.match(rb"P[36]\s+\d+\s+\d+\s+(\d+)", re.sub(rb"#[^\r\n]*[\r\n]", b" ", head))
    return 16 if numbers and int(numbers[1]) > 255 else 8


def _reason(file: Path, error: Exception) -> str:
    """Why a file could not be read, in a few words."""
    from PIL import UnidentifiedImageError

    if not os.path.exists(file):
        return "it is a link to nothing" if os.path.islink(file) else "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        formats = ", ".join(sorted(set(FORMATS.values())))
        return f"its contents are not {formats}" if os.path.getsize(file) else "it is empty"
    return printable(str(error.strerror if isinstance(error, OSError) and error.strerror else error))
