"""Arrays as pictures in a page: PNG files inside ``data:`` addresses, made by Pillow."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["diverging", "embedded", "grey", "heat", "sheet", "shown", "thumbnail"]

BLANK = 128  # the grey between the pictures of a sheet
LARGEST = 128  # pixels of the longer side of a thumbnail
EXACT, COLOURS = 48 * 48, 128  # pixels up to which every colour is kept, and how many are beyond


def shown(images: np.ndarray, mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
          order: str = "RGB") -> np.ndarray:
    """Images as a network takes them (N, C, H, W), as pictures (N, H, W, 3) of uint8.

    `mean`, `std` and `order` are those of its `InputFormat`, which are undone. Numbers that then lie outside
    of [0, 1] are scaled to it. Other channels than one and three are averaged.

    >>> shown(np.array([[[[0.0, 0.5, 1.0]]]]))[0, 0, :, 0].tolist()
    [0, 128, 255]
    """
    x = np.asarray(images, np.float64)
    if mean is not None and std is not None and len(mean) in (1, x.shape[1]):
        x = x * np.reshape(std, (1, -1, 1, 1)) + np.reshape(mean, (1, -1, 1, 1))
    x = x if x.shape[1] == 3 else x.mean(1, keepdims=True)
    x = x[:, ::-1] if order == "BGR" else x
    low, high = min(x.min(initial=0), 0.0), max(x.max(initial=0), 1.0)
    if low < -0.01 or high > 1.01:
        x = (x - low) / (high - low)
    pixels = np.rint(255 * np.clip(np.nan_to_num(x), 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (len(x), 3, *x.shape[2:])).transpose(0, 2, 3, 1))


def grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """(H, W) as a picture (H, W, 3): black is `low`, white `high`."""
    share = np.clip(np.nan_to_num((values - low) / ((high - low) or 1.0)), 0, 1)
    return np.repeat(np.rint(255 * share).astype(np.uint8)[..., None], 3, -1)


def diverging(values: np.ndarray, peak: float) -> np.ndarray:
    """(H, W) as a picture: white is 0, red `peak`, blue its negative."""
    share = np.clip(np.nan_to_num(values / (peak or 1.0)), -1, 1)[..., None]
    red, blue = np.array([178.0, 24, 43]), np.array([33.0, 102, 172])
    ends = np.where(share > 0, red, blue)
    return np.rint(255 + (ends - 255) * np.abs(share)).astype(np.uint8)


def heat(picture: np.ndarray, values: np.ndarray, signed: bool = False) -> np.ndarray:
    """A picture in faint grey under a map (H, W) of what it rests on: red, and blue for what speaks against.

    The map's strongest half percent are cut off, so that single pixels do not hide the rest.
    """
    under = 255 - (255 - picture.mean(-1, keepdims=True)) * 0.35
    peak = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
    share = np.clip(values / peak, -1, 1)[..., None]
    colour = np.where(share > 0, np.array([200.0, 20, 30]), np.array([20.0, 80, 200]))
    strength = np.abs(share) if signed else np.clip(share, 0, 1)
    return np.rint(under * (1 - strength) + colour * strength).astype(np.uint8)


def sheet(pictures: Sequence[np.ndarray], columns: int, gap: int = 1, blank: int = BLANK) -> np.ndarray:
    """Pictures (H, W, 3) of one size side by side in rows."""
    H, W = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    whole = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, 3), blank, np.uint8)
    for n, picture in enumerate(pictures):
        top, left = n // columns * (H + gap), n % columns * (W + gap)
        whole[top:top + H, left:left + W] = picture
    return whole


def thumbnail(picture: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """A picture (H, W, 3), made smaller where a side is longer than `largest` pixels."""
    if max(picture.shape[:2]) <= largest:
        return picture
    image = _pillow(picture)
    image.thumbnail((largest, largest))
    return np.asarray(image)


def embedded(picture: np.ndarray) -> str:
    """The ``data:`` address of a picture (H, W, 3) as a PNG file.

    Large pictures in colour keep their 128 best colours, which makes their files three times as small.

    >>> embedded(np.zeros((2, 2, 3), np.uint8))[:31]
    'data:image/png;base64,iVBORw0KG'
    """
    image, file = _pillow(picture), io.BytesIO()
    if (picture[..., :1] == picture).all():
        image = image.convert("L")
    elif image.width * image.height > EXACT:
        image = image.quantize(COLOURS)
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _pillow(picture: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(picture))
