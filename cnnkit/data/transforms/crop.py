"""Random crops: a part of the image at a random place, of the padded image or resized to one size."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import bounded, moved, numbered
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, between
from cnnkit.data.transforms.sampling import (
    INTERPOLATIONS,
    bordered,
    checked_interpolation,
    resize_weights,
    sample,
    take_pixels,
)
from cnnkit.foreign import plain
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["RandomCrop", "RandomResizedCrop", "checked_mode", "checked_padding", "checked_size", "four_sides",
           "window"]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")
CUBIC_TOO = (*INTERPOLATIONS, "bicubic")
TRIES = 10  # to draw an area and shape that fit into the image, as many as torchvision makes


class RandomCrop(RandomTransform):
    """Cut out `size` pixels at a random place.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result.
    padding : int, (left/right, top/bottom) or (left, top, right, bottom), optional
        Pixels added on the sides first.
    pad_if_needed : bool
        Add as many pixels more as an image smaller than `size` lacks, on both sides of that axis.
    fill : number, or sequence of C numbers
        The value of the padding, in mode ``"constant"``.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
        Pad with `fill`, the last pixel, or the image mirrored without or with its last pixel.

    Raises
    ------
    ValueError
        If the image, with its padding, is smaller than `size`.

    >>> import numpy
    >>> images = numpy.arange(6.0).reshape(1, 1, 2, 3)
    >>> RandomCrop((2, 2))(images, key=(0, 0)).tolist()
    [[[[1.0, 2.0], [4.0, 5.0]]]]
    >>> RandomCrop((4, 3), padding=(0, 1))(images)[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [0.0, 0.0, 0.0]]
    """

    numbers = 2
    moves_pixels: bool = True
    size: tuple[int, int]
    padding: int | tuple[int, ...] | None
    fill: float | Sequence[float]
    pad_if_needed: bool
    padding_mode: str

    def __init__(self, size: int | Sequence[int], padding: int | Sequence[int] | None = None,
                 pad_if_needed: bool = False, fill: float | Sequence[float] = 0,
                 padding_mode: str = "constant"):
        self.size, fill = checked_size("RandomCrop", size), plain(fill)
        self.padding = None if padding is None else checked_padding("RandomCrop", padding)
        checked_mode("RandomCrop", padding_mode)
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        H, W = x.shape[2:]
        left, top, right, bottom = self._padding()
        starts, paddings = [], []
        for axis, (n, before, after, out) in enumerate(((H, top, bottom, self.size[0]),
                                                        (W, left, right, self.size[1]))):
            lacking = out - (n + before + after)
            if lacking > 0 and not self.pad_if_needed:
                raise ValueError(f"{self!r} got images of {H} x {W} pixels, "
                                 f"{H + top + bottom} x {W + left + right} with their padding; "
                                 "make size smaller or padding larger, or give pad_if_needed=True")
            before, after = before + max(lacking, 0), after + max(lacking, 0)
            starts.append([math.floor(draw[axis] * (n + before + after - out + 1)) - before
                           for draw in draws])
            paddings.append(max(before, after))
        return window(self, x, starts, self.size, paddings, self.fill, self.padding_mode)

    def _padding(self) -> tuple[int, int, int, int]:
        """Pixels added left, top, right, bottom."""
        return four_sides(self.padding or 0)


class RandomResizedCrop(RandomTransform):
    """Cut out a part of random area, shape and place, and resize it to `size` (Szegedy et al. 2015).

    Parameters
    ----------
    size : int or (height, width)
        Size of the result.
    scale : (low, high)
        The part's share of the image's area.
    ratio : (low, high)
        The part's width over its height, drawn evenly in its logarithm.
    interpolation : {"nearest", "bilinear", "bicubic"}
        How values are read between pixels.
    antialias : bool
        Average over all pixels where the image gets smaller, instead of reading some; ``"nearest"`` never
        does, ``"bicubic"`` always.

    Notes
    -----
    As torchvision's: where none of ten drawn parts fits into the image, the largest one in the middle is
    taken.

    >>> import numpy
    >>> whole = RandomResizedCrop(2, scale=(1, 1), ratio=(1, 1))
    >>> whole(numpy.arange(16.0).reshape(1, 4, 4)).round(3).tolist()
    [[[3.571, 5.143], [9.857, 11.429]]]
    """

    numbers = 2 * TRIES + 2
    moves_pixels: bool = True
    ratio: tuple[float, float]
    scale: tuple[float, float]

    def __init__(self, size: int | Sequence[int], scale: Sequence[float] = (0.08, 1.0),
                 ratio: Sequence[float] = (3 / 4, 4 / 3), interpolation: str = "bilinear",
                 antialias: bool = True):
        for name, pair in (("scale", scale), ("ratio", ratio)):
            if len(pair) != 2 or not 0 < pair[0] <= pair[1] < math.inf:
                raise ValueError(f"RandomResizedCrop({name}={pair}): give two numbers above 0, "
                                 "the smaller one first")
        self.size: tuple[int, int] = checked_size("RandomResizedCrop", size)
        self.scale, self.ratio = (scale[0], scale[1]), (ratio[0], ratio[1])
        self.interpolation: str = checked_interpolation("RandomResizedCrop", interpolation, CUBIC_TOO)
        if self.interpolation == "bicubic" and not antialias:
            raise ValueError("RandomResizedCrop(interpolation='bicubic') is here with antialias=True only")
        self.antialias = antialias

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp, dtype = namespace_of(x), x.dtype
        N, _, H, W = x.shape
        wide = widen(x)
        flat = [float(value) for row in draws for value in self.part(H, W, row)]
        top, left, height, width = (xp.reshape(xp.reshape(moved(flat, wide), (N, 4))[:, n], (N, 1, 1))
                                    for n in range(4))
        (P, Q) = self.size
        if self.interpolation == "nearest":
            ys = top + xp.floor(xp.reshape(numbered(P, x, wide.dtype), (P, 1)) * (height / P))
            xs = left + xp.floor(numbered(Q, x, wide.dtype) * (width / Q))
            return sample(self, x, xp.minimum(ys, top + height - 1),
                          xp.minimum(xs, left + width - 1), "nearest", 0)
        cubic = self.interpolation == "bicubic"
        rows, columns = (resize_weights(top, height, H, P, self.antialias, cubic),
                         resize_weights(left, width, W, Q, self.antialias, cubic))
        columns = xp.permute_dims(columns, (0, 2, 1))
        resized = xp.matmul(xp.matmul(xp.expand_dims(rows, axis=1), wide), xp.expand_dims(columns, axis=1))
        return xp.astype(resized, dtype, copy=False)

    def part(self, H: int, W: int, draw: list[float]) -> tuple[int, int, int, int]:
        """The part of an image that its random numbers choose: top, left, height, width."""
        *tries, down, across = draw
        height = width = 0
        for share, shape in zip(tries[::2], tries[1::2]):
            area = H * W * between(*self.scale, share)
            ratio = math.exp(between(math.log(self.ratio[0]), math.log(self.ratio[1]), shape))
            height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < height <= H and 0 < width <= W:
                return (math.floor(down * (H - height + 1)),
                        math.floor(across * (W - width + 1)), height, width)
        height, width = H, W
        if self.ratio[0] > W / H:
            height = min(H, max(1, round(W / self.ratio[0])))
        elif self.ratio[1] < W / H:
            width = min(W, max(1, round(H * self.ratio[1])))
        return (H - height) // 2, (W - width) // 2, height, width


def checked_size(owner: str, size: int | Sequence[int]) -> tuple[int, int]:
    size = plain(size)
    height, width = (size, size) if isinstance(size, int) else size if len(size) == 2 else (0, 0)
    if height < 1 or width < 1:
        raise ValueError(f"{owner}(size={size}): give a number of pixels, or two, "
                         "height and width; all 1 or more")
    return height, width


def checked_padding(owner: str, padding: int | Sequence[int]) -> int | tuple[int, ...]:
    """Pixels on all sides, (left/right, top/bottom) or (left, top, right, bottom), if they are that."""
    padding = plain(padding)
    sides = [padding] if isinstance(padding, int) else list(padding)
    if len(sides) not in (1, 2, 4) or any(operator.index(side) < 0 for side in sides):
        raise ValueError(f"{owner}(padding={padding}): give 1, 2 or 4 numbers of pixels, none negative")
    return padding if isinstance(padding, int) else tuple(padding)


def checked_mode(owner: str, padding_mode: str) -> str:
    """`padding_mode`, one of `PADDING_MODES`."""
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"{owner}(padding_mode={padding_mode!r}): there are {', '.join(PADDING_MODES)}")
    return padding_mode


def four_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Pixels added left, top, right, bottom."""
    sides = (padding,) if isinstance(padding, int) else tuple(padding)
    across, down, *others = sides * 4 if len(sides) == 1 else sides * 2
    return across, down, others[0], others[1]


def window(owner: object, x: Array, starts: Sequence[Sequence[int]], size: Sequence[int],
           paddings: Sequence[int], fill: float | Sequence[float] = 0, mode: str = "constant") -> Array:
    """A part of each image (N, C, H, W), which may reach beyond its edges.

    Parameters
    ----------
    owner : object
        The transform, for errors.
    starts : two lists of N int
        The first row and the first column of each image's part, negative above and left of the image.
    size : (height, width)
        Of the parts.
    paddings : two int
        How many pixels at most a part reaches beyond the image, along height and width.
    fill, mode
        What is there: see `RandomCrop`.
    """
    xp = namespace_of(x)
    H, W = x.shape[2:]
    pixels = []
    for n, first, out, padding in zip((H, W), starts, size, paddings):
        indices = xp.reshape(moved(first, x, numbered(1, x).dtype), (len(first), 1)) + numbered(out, x)
        pixels.append(_inside(owner, indices, n, padding, mode) if padding else indices)
    rows, columns = xp.expand_dims(pixels[0], axis=2), xp.expand_dims(pixels[1], axis=1)
    if any(paddings) and mode == "constant":
        return take_pixels(bordered(owner, x, fill), bounded(rows, -1, H) + 1, bounded(columns, -1, W) + 1)
    return take_pixels(x, rows, columns)


def _inside(owner: object, indices: Array, n: int, padding: int, mode: str) -> Array:
    """The pixel in 0 ... n - 1 that each index into the padding stands for."""
    xp = namespace_of(indices)
    if mode == "edge":
        return bounded(indices, 0, n - 1)
    if mode == "symmetric":
        indices = indices % (2 * n)
        return xp.minimum(indices, 2 * n - 1 - indices)
    if mode == "reflect":
        if padding >= n:
            raise ValueError(f"{owner!r} got {n} pixels to mirror, "
                             f"which is not more than the {padding} to be added")
        indices = xp.abs(indices)
        return xp.minimum(indices, 2 * (n - 1) - indices)
    return indices
