"""Random rotation, and random affine maps: rotation, shift, scale and shear in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import moved, numbered
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, between
from cnnkit.data.transforms.sampling import checked_interpolation, sample
from cnnkit.foreign import plain
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["RandomAffine", "RandomRotation"]

Range = tuple[float, float]


class RandomAffine(RandomTransform):
    """Rotate, shift, scale and shear an image about its centre.

    Parameters
    ----------
    degrees : number or (low, high)
        The angle is drawn between these, in degrees clockwise; a number means from ``-degrees``
        to ``degrees``.
    translate : (a, b), optional
        The shift is at most these shares of width and height, and whole pixels.
    scale : (low, high), optional
        The factor is drawn between these.
    shear : number, (low, high) or (x low, x high, y low, y high), optional
        Angles in degrees; a number means from ``-shear`` to ``shear``, along x only.
    interpolation : {"nearest", "bilinear"}
        How values are read between pixels. torchvision's ``"bicubic"`` is not here.
    fill : number, or sequence of C numbers
        The value outside the image.
    center : (x, y), optional
        The fixed point, in pixels from the upper left corner; by default the image's centre.

    Notes
    -----
    As torchvision's, except at the edge: bilinear interpolation here averages the image with `fill` around
    it, where torchvision also darkens the image's part of the mean.

    >>> import numpy
    >>> image = numpy.asarray([[[1.0, 2.0], [3.0, 4.0]]])
    >>> RandomAffine((90, 90))(image).tolist()
    [[[3.0, 1.0], [4.0, 2.0]]]
    """

    numbers = 6
    moves_pixels: bool = True
    translate: tuple[float, float] | None
    center: Range | None
    fill: float | Sequence[float]

    def __init__(self, degrees: float | Sequence[float], translate: Sequence[float] | None = None,
                 scale: Sequence[float] | None = None, shear: float | Sequence[float] | None = None,
                 interpolation: str = "nearest", fill: float | Sequence[float] = 0,
                 center: Sequence[float] | None = None):
        self.degrees: Range = _range("RandomAffine", "degrees", degrees)
        if translate is not None and (len(translate) != 2 or not all(0 <= share <= 1 for share in translate)):
            raise ValueError(f"RandomAffine(translate={translate}): give two shares, "
                             "of width and height, from 0 to 1")
        if scale is not None and (len(scale) != 2 or not 0 < scale[0] <= scale[1]):
            raise ValueError(f"RandomAffine(scale={scale}): give two factors above 0, the smaller one first")
        self.translate = None if translate is None else (translate[0], translate[1])
        self.scale: Range | None = None if scale is None else (scale[0], scale[1])
        self.shear: Any = None
        if isinstance(shear, Sequence) and len(shear) == 4:
            self.shear = (*_range("RandomAffine", "shear", shear[:2]),
                          *_range("RandomAffine", "shear", shear[2:]))
        elif shear is not None:
            self.shear = _range("RandomAffine", "shear", shear)
        self.interpolation: str = checked_interpolation("RandomAffine", interpolation)
        self.fill, self.center = fill, _center("RandomAffine", center)

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        H, W = x.shape[2:]
        return warped(self, x, [self._map(H, W, row) for row in draws], self.center,
                      self.interpolation, self.fill)

    def _map(self, H: int, W: int, draw: list[float]) -> tuple[float, ...]:
        across, down = (round(between(-share * size, share * size, u))
                        for share, size, u in zip(self.translate or (0, 0), (W, H), draw[1:3]))
        x_low, x_high, y_low, y_high = (*(self.shear or (0, 0)), 0, 0)[:4]
        smallest, largest = self.scale or (1.0, 1.0)
        return inverse(between(*self.degrees, draw[0]), (across, down), between(smallest, largest, draw[3]),
                       (between(x_low, x_high, draw[4]), between(y_low, y_high, draw[5])))


class RandomRotation(RandomTransform):
    """Rotate an image about its centre.

    Parameters
    ----------
    degrees : number or (low, high)
        The angle is drawn between these, in degrees counter-clockwise; a number means from ``-degrees``
        to ``degrees``.
    interpolation : {"nearest", "bilinear"}
        How values are read between pixels.
    expand : bool
        Only ``False``: the images of a batch must keep one size.
    center : (x, y), optional
        The fixed point, in pixels from the upper left corner; by default the image's centre.
    fill : number, or sequence of C numbers
        The value outside the image.

    Notes
    -----
    As torchvision's, but at the edge: see `RandomAffine`.

    >>> import numpy
    >>> image = numpy.asarray([[[1.0, 2.0], [3.0, 4.0]]])
    >>> RandomRotation((90, 90))(image).tolist()
    [[[2.0, 4.0], [1.0, 3.0]]]
    """

    moves_pixels: bool = True
    center: Range | None
    expand: bool
    fill: float | Sequence[float]

    def __init__(self, degrees: float | Sequence[float], interpolation: str = "nearest", expand: bool = False,
                 center: Sequence[float] | None = None, fill: float | Sequence[float] = 0):
        if expand:
            raise ValueError("RandomRotation(expand=True) would give images of different sizes, "
                             "which make no batch; leave it out, or pad the images first")
        self.degrees: Range = _range("RandomRotation", "degrees", degrees)
        self.interpolation: str = checked_interpolation("RandomRotation", interpolation)
        self.expand, self.center, self.fill = expand, _center("RandomRotation", center), fill

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        maps = [inverse(-between(*self.degrees, angle)) for (angle,) in draws]
        return warped(self, x, maps, self.center, self.interpolation, self.fill)


def inverse(degrees: float, shift: Sequence[float] = (0, 0), scale: float = 1.0,
            shear: Sequence[float] = (0, 0)) -> tuple[float, ...]:
    """Where a pixel of the result comes from, about the centre: x' = a x + b y + c, y' = d x + e y + f.

    The inverse of: shear, then rotate clockwise, then scale, then shift; torchvision's
    ``_get_inverse_affine_matrix``.
    """
    turn, across, down = (math.radians(angle) for angle in (degrees, *shear))
    a = math.cos(turn - down) / math.cos(down)
    b = -a * math.tan(across) - math.sin(turn)
    d = math.sin(turn - down) / math.cos(down)
    e = -d * math.tan(across) + math.cos(turn)
    a, b, d, e = e / scale, -b / scale, -d / scale, a / scale
    return a, b, -a * shift[0] - b * shift[1], d, e, -d * shift[0] - e * shift[1]


def warped(owner: object, x: Array, maps: Sequence[Sequence[float]], center: Sequence[float] | None,
           interpolation: str, fill: float | Sequence[float]) -> Array:
    """Each image read through its own map, from positions in the result to positions in the image."""
    xp = namespace_of(x)
    N, _, H, W = x.shape
    cx, cy = (W / 2, H / 2) if center is None else center
    cx, cy = cx - 0.5, cy - 0.5  # from corners to the centres of pixels
    flat = [value for a, b, c, d, e, f in maps for value in (a, b, c + cx, d, e, f + cy)]
    dtype = widen(x[:0, ...]).dtype
    numbers = xp.reshape(moved(flat, x, dtype), (N, 6, 1, 1))
    right, below = numbered(W, x, dtype) - cx, xp.reshape(numbered(H, x, dtype) - cy, (H, 1))
    xs = (numbers[:, 0, ...] * right + numbers[:, 2, ...]) + numbers[:, 1, ...] * below
    ys = numbers[:, 3, ...] * right + (numbers[:, 4, ...] * below + numbers[:, 5, ...])
    return sample(owner, x, ys, xs, interpolation, fill)


def _range(owner: str, name: str, value: float | Sequence[float]) -> Range:
    value = plain(value)
    low, high = (-value, value) if isinstance(value, int | float) else value
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{owner}({name}={value}): give a number that is not negative, "
                         "or two with the smaller one first")
    return low, high


def _center(owner: str, center: Sequence[float] | None) -> Range | None:
    if center is not None and len(center) != 2:
        raise ValueError(f"{owner}(center={center}): give two numbers, x and y")
    return None if center is None else (center[0], center[1])
