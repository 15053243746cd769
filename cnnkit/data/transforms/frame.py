"""Fixed parts of an image, and borders around it: CenterCrop, FiveCrop, TenCrop, Pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import Array, namespace_of, on
from cnnkit.data.transforms.arrays import opened
from cnnkit.data.transforms.crop import checked_mode, checked_padding, checked_size, four_sides, window
from cnnkit.data.transforms.random_transform import Draws, FixedTransform
from cnnkit.foreign import plain
from cnnkit.random import Key

__all__ = ["CenterCrop", "FiveCrop", "Pad", "TenCrop"]


class CenterCrop(FixedTransform):
    """Cut out the middle of an image; one that is smaller than `size` gets a border of 0 first.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result.

    >>> import numpy
    >>> CenterCrop(2)(numpy.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[5.0, 6.0], [9.0, 10.0]]]
    """

    moves_pixels: bool = True
    fill: float = 0

    def __init__(self, size: int | Sequence[int]):
        self.size: tuple[int, int] = checked_size("CenterCrop", size)
        self.fill = 0  # in the instance, so that masks have their own

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        starts = [[round((n - out) / 2) if n >= out else -((out - n) // 2)] * x.shape[0]
                  for n, out in zip(x.shape[2:], self.size)]
        lacking = [max(0, out - n) for n, out in zip(x.shape[2:], self.size)]
        return window(self, x, starts, self.size, lacking, self.fill)


class Pad(FixedTransform):
    """Put a border around an image.

    Parameters
    ----------
    padding : int, (left/right, top/bottom) or (left, top, right, bottom)
        Pixels added on the sides.
    fill : number, or sequence of C numbers
        The value of the border, in mode ``"constant"``.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
        Pad with `fill`, the last pixel, or the image mirrored without or with its last pixel.

    >>> import numpy
    >>> Pad((1, 0), padding_mode="edge")(numpy.asarray([[[1.0, 2.0]]])).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """

    moves_pixels: bool = True
    fill: Any
    padding: int | tuple[int, ...]

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0,
                 padding_mode: str = "constant"):
        self.padding, self.fill = checked_padding("Pad", padding), plain(fill)
        self.padding_mode: str = checked_mode("Pad", padding_mode)

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        N, _, H, W = x.shape
        left, top, right, bottom = four_sides(self.padding)
        return window(self, x, [[-top] * N, [-left] * N], (H + top + bottom, W + left + right),
                      (max(top, bottom), max(left, right)), self.fill, self.padding_mode)


class FiveCrop:
    """The four corners of an image and its middle, a tuple: top left, top right, bottom left and right.

    Parameters
    ----------
    size : int or (height, width)
        Size of each part.

    Raises
    ------
    ValueError
        If the image is smaller than `size`.

    >>> import numpy
    >>> [part.item() for part in FiveCrop(1)(numpy.arange(9.0).reshape(1, 3, 3))]
    [0.0, 2.0, 6.0, 8.0, 4.0]
    """

    def __init__(self, size: int | Sequence[int]):
        self.size: tuple[int, int] = checked_size(type(self).__name__, size)

    def __call__(self, image: Any) -> tuple[Any, ...]:
        form = opened(self, image)
        with on(form.x):
            return tuple(form.closed(part) for part in self._parts(form.x))

    def _parts(self, x: Array) -> list[Array]:
        N, _, H, W = x.shape
        height, width = self.size
        if height > H or width > W:
            raise ValueError(f"{self!r} got images of {H} x {W} pixels; make size smaller")
        places = [(0, 0), (0, W - width), (H - height, 0), (H - height, W - width),
                  (round((H - height) / 2), round((W - width) / 2))]
        return [window(self, x, [[top] * N, [left] * N], self.size, (0, 0)) for top, left in places]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(FiveCrop):
    """The parts of `FiveCrop` of an image, then those of the image mirrored.

    Parameters
    ----------
    size : int or (height, width)
        Size of each part.
    vertical_flip : bool
        Mirror it top to bottom instead of left to right.

    >>> import numpy
    >>> [part.item() for part in TenCrop(1)(numpy.arange(9.0).reshape(1, 3, 3))][5:]
    [2.0, 0.0, 8.0, 6.0, 4.0]
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def _parts(self, x: Array) -> list[Array]:
        mirrored = namespace_of(x).flip(x, axis=2 if self.vertical_flip else 3)
        return [*super()._parts(x), *super()._parts(mirrored)]

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"
