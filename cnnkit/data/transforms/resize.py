"""Resizing of whole images, with the values that Pillow gives."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import bounded, moved, numbered
from cnnkit.data.transforms.random_transform import Draws, FixedTransform
from cnnkit.data.transforms.sampling import resize_weights, take_pixels
from cnnkit.foreign import is_pillow, plain
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["InterpolationMode", "Resize"]

ANY_IMAGE = ("nearest", "nearest-exact", "bilinear", "bicubic")
PILLOW_ONLY = ("box", "hamming", "lanczos")


class InterpolationMode(Enum):
    """How values are read between pixels; transforms take these or their values.

    >>> InterpolationMode("bilinear")
    <InterpolationMode.BILINEAR: 'bilinear'>
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


class Resize(FixedTransform):
    """Make an image larger or smaller.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result; one number is that of the shorter side, and the longer one keeps its ratio.
    interpolation : {"bilinear", "nearest", "nearest-exact", "bicubic", "box", "hamming", "lanczos"}
        How values are read between pixels; the last three for Pillow images only. Masks are read at the
        nearest pixel.
    max_size : int, optional
        With one number: the longer side is at most this.
    antialias : bool, optional
        Average over all pixels where the image gets smaller, as Pillow always does.

    Raises
    ------
    ValueError
        If a size is below 1, `max_size` does not go with `size`, or the interpolation is none of these.

    Notes
    -----
    A Pillow image is resized by Pillow. A uint8 array gets its values but for 1 in 255 here and there, and a
    few more in tall narrow images, where Pillow's two passes may come in another order.

    >>> import numpy
    >>> Resize(2)(numpy.arange(16.0).reshape(1, 4, 4)).round(3).tolist()
    [[[3.571, 5.143], [9.857, 11.429]]]
    >>> Resize(4)(numpy.zeros((6, 9, 3), "uint8")).shape
    (4, 6, 3)
    """

    moves_pixels: bool = True
    size: int | tuple[int, int]
    antialias: bool | None
    max_size: int | None

    def __init__(self, size: int | Sequence[int], interpolation: str | InterpolationMode = "bilinear",
                 max_size: int | None = None, antialias: bool | None = True):
        size = plain(size)
        sides = (size,) if isinstance(size, int) else tuple(size)
        if len(sides) not in (1, 2) or min(sides) < 1:
            raise ValueError(f"Resize(size={size}): give a number of pixels, or two, "
                             "height and width; all 1 or more")
        if max_size is not None and (len(sides) == 2 or max_size <= sides[0]):
            raise ValueError(f"Resize(size={size}, max_size={max_size}): max_size is for one number as size, "
                             "and above it")
        mode = interpolation.value if isinstance(interpolation, Enum) else interpolation
        if mode not in ANY_IMAGE + PILLOW_ONLY:
            raise ValueError(f"Resize(interpolation={interpolation!r}): there are "
                             f"{', '.join(ANY_IMAGE + PILLOW_ONLY)}")
        if mode == "bicubic" and antialias is False:
            raise ValueError("Resize(interpolation='bicubic') is here with antialias=True only")
        self.size = size if isinstance(size, int) else sides if len(sides) == 2 else sides[0]
        self.interpolation, self.max_size, self.antialias = mode, max_size, antialias

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        if is_pillow(images) and labels is None:
            from PIL import Image
            height, width = self.size_of(images.height, images.width)
            mode = "nearest" if self.interpolation == "nearest-exact" else self.interpolation
            return images.resize((width, height), Image.Resampling[mode.upper()])
        return super().__call__(images, labels, key=key)

    def size_of(self, H: int, W: int) -> tuple[int, int]:
        """Height and width that an image of H x W pixels gets.

        >>> Resize(256).size_of(480, 640), Resize(256, max_size=300).size_of(480, 640)
        ((256, 341), (225, 300))
        """
        if not isinstance(self.size, int):
            return self.size
        short, long = self.size, int(self.size * max(H, W) / min(H, W))
        if self.max_size is not None and long > self.max_size:
            short, long = max(1, int(self.max_size * short / long)), self.max_size
        return (short, long) if H <= W else (long, short)

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp, dtype = namespace_of(x), x.dtype
        if self.interpolation in PILLOW_ONLY:
            raise ValueError(f"{self!r} is for Pillow images; arrays and Tensors are resized by "
                             f"{', '.join(ANY_IMAGE)}")
        (H, W), (P, Q) = x.shape[2:], self.size_of(*x.shape[2:])
        if (H, W) == (P, Q):
            return x
        if self.interpolation.startswith("nearest"):
            rows, columns = (moved(self._nearest(n, out), x, numbered(1, x).dtype)
                             for n, out in ((H, P), (W, Q)))
            return take_pixels(x, xp.reshape(rows, (1, P, 1)), xp.reshape(columns, (1, 1, Q)))
        x = widen(x)
        columns, rows = (self._weights(x, n, out) for n, out in ((W, Q), (H, P)))
        columns = xp.permute_dims(columns, (0, 2, 1))
        if P < H and Q > W:  # as Pillow, which makes an image smaller before it makes it larger
            x = xp.matmul(self._whole(xp.matmul(rows, x)), columns)
        else:
            x = xp.matmul(rows, self._whole(xp.matmul(x, columns)))
        return xp.astype(self._whole(x), dtype, copy=False)

    def _whole(self, x: Array) -> Array:
        """Values of a picture: whole numbers after each of the two passes, a half rounded up, as Pillow."""
        return bounded(namespace_of(x).floor(x + 0.5), 0, self.white) if self.white > 1 else x

    def _nearest(self, n: int, out: int) -> list[int]:
        middle = 0 if self.interpolation == "nearest" else 1  # of a pixel, in halves
        return [(2 * i + middle) * n // (2 * out) for i in range(out)]

    def _weights(self, x: Array, n: int, out: int) -> Array:
        first, length = (moved([value], x) for value in (0.0, float(n)))
        shape = namespace_of(x).reshape
        return resize_weights(shape(first, (1, 1, 1)), shape(length, (1, 1, 1)), n, out,
                              self.antialias is not False, self.interpolation == "bicubic")
