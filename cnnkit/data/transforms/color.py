"""Random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnkit import random
from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import bounded, moved
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, between
from cnnkit.foreign import plain
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["ColorJitter"]

Range = tuple[float, float]
LUMA = (0.2989, 0.587, 0.114)  # weights of red, green and blue in grey, as in torchvision and MATLAB


class ColorJitter(RandomTransform):
    """Change brightness, contrast, saturation and hue of images with values in [0, 1], or pictures.

    Parameters
    ----------
    brightness, contrast, saturation : number or (low, high)
        A factor is drawn between these; a number b means from ``max(0, 1 - b)`` to ``1 + b``. They mix an
        image with black, with its mean grey, and with itself in grey.
    hue : number or (low, high)
        A part of the colour circle, within [-0.5, 0.5], by which the hue turns; a number means both ways.

    Notes
    -----
    As torchvision's: the four changes come in a random order, and each result is clipped to [0, 1]. Each
    image has factors of its own, but all images of a batch share the order. Images of one channel have no
    saturation and no hue.

    Raises
    ------
    ValueError
        If the images have neither 1 nor 3 channels.

    >>> import numpy
    >>> ColorJitter(brightness=(0.5, 0.5))(numpy.ones((3, 1, 1))).tolist()
    [[[0.5]], [[0.5]], [[0.5]]]
    """

    numbers = 4
    moves_pixels: bool = False

    def __init__(self, brightness: float | Sequence[float] = 0, contrast: float | Sequence[float] = 0,
                 saturation: float | Sequence[float] = 0, hue: float | Sequence[float] = 0):
        self.brightness: Range | int = _factors("brightness", brightness)
        self.contrast: Range | int = _factors("contrast", contrast)
        self.saturation: Range | int = _factors("saturation", saturation)
        hue = plain(hue)
        low, high = (-hue, hue) if isinstance(hue, int | float) else hue
        if not -0.5 <= low <= high <= 0.5:
            raise ValueError(f"ColorJitter(hue={hue}): give a number from 0 to 0.5, or two from -0.5 to 0.5, "
                             "the smaller one first")
        self.hue: Range | int = (low, high) if (low, high) != (0, 0) else 0

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp, dtype = namespace_of(x), x.dtype
        if x.shape[1] not in (1, 3):
            raise ValueError(f"{self!r} takes images of 1 or 3 channels, grey or red, "
                             f"green and blue; got {x.shape[1]}")
        x = widen(x)
        kinds = ((self.brightness, _brightness), (self.contrast, _contrast),
                 (self.saturation, _saturation), (self.hue, _hue))
        for n in random.permutation(random.fold_in(key, 0), len(kinds)).tolist():
            bounds, adjust = kinds[n]
            if isinstance(bounds, tuple) and (x.shape[1] == 3 or n < 2):
                factors = moved([between(*bounds, draw[n]) for draw in draws], x)
                x = bounded(adjust(x, xp.reshape(factors, (len(draws), 1, 1, 1))), 0, self.white)
        return xp.astype(x, dtype, copy=False)


def _factors(name: str, value: float | Sequence[float]) -> Range | int:
    """The bounds of a factor; 0 where the factor is always 1."""
    low, high = 1.0, 0.0  # refused below
    value = plain(value)
    if isinstance(value, Sequence):
        low, high = value if len(value) == 2 else (low, high)
    elif isinstance(value, int | float) and value >= 0:
        low, high = max(0.0, 1 - value), 1 + value
    if not 0 <= low <= high < math.inf:
        raise ValueError(f"ColorJitter({name}={value}): give a number that is not negative, "
                         "or two such with the smaller one first")
    return (low, high) if (low, high) != (1, 1) else 0


def _brightness(x: Array, factor: Array) -> Array:
    return x * factor


def _contrast(x: Array, factor: Array) -> Array:
    return _blend(x, namespace_of(x).mean(_grey(x), axis=(1, 2, 3), keepdims=True), factor)


def _saturation(x: Array, factor: Array) -> Array:
    return _blend(x, _grey(x), factor)


def _blend(x: Array, other: Array, factor: Array) -> Array:
    return x * factor + other * (1 - factor)


def _grey(x: Array) -> Array:
    """The images in grey, (N, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = (x[:, n:n + 1, ...] for n in range(3))
    return red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]


def _hue(x: Array, turn: Array) -> Array:
    """Turn the hue, by way of HSV (Smith, "Color gamut transform pairs", SIGGRAPH 1978)."""
    xp = namespace_of(x)
    red, green, blue = (x[:, n:n + 1, ...] for n in range(3))
    value, least = xp.max(x, axis=1, keepdims=True), xp.min(x, axis=1, keepdims=True)
    chroma = value - least
    divisor = xp.where(chroma == 0, xp.ones_like(chroma), chroma)
    sixth = xp.where(value == red, (green - blue) / divisor,
                     xp.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor))
    sixth = sixth + 6 * turn

    def channel(start: float) -> Array:
        angle = (sixth + start) % 6
        return value - chroma * bounded(xp.minimum(angle, 4 - angle), 0, 1)

    return xp.concat([channel(5.0), channel(3.0), channel(1.0)], axis=1)
