"""Reading images at other positions: by index, nearest pixel or bilinear interpolation; resizing weights."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import bounded, numbered, of_channels
from cnnkit.ops.dtypes import widen

__all__ = ["INTERPOLATIONS", "bordered", "checked_interpolation", "resize_weights", "sample", "take_pixels"]

INTERPOLATIONS = ("nearest", "bilinear")


def checked_interpolation(owner: str, interpolation: str, allowed: Sequence[str] = INTERPOLATIONS) -> str:
    """`interpolation`, one of those allowed; torchvision's InterpolationMode has it as its value."""
    mode = interpolation.value if isinstance(interpolation, Enum) else interpolation
    if mode not in allowed:
        names = " or ".join(map(repr, allowed))
        raise ValueError(f"{owner}: interpolation must be {names}, got {interpolation!r}")
    return mode


def take_pixels(x: Array, rows: Array, columns: Array) -> Array:
    """The pixels (N, C, P, Q) of images (N, C, H, W) at `rows` and `columns` that broadcast to (N, P, Q)."""
    return _take(x, _flat_indices(x, rows, columns))


def _flat_indices(x: Array, rows: Array, columns: Array) -> Array:
    """The pixels' indices in the flattened images: (N, C, P, Q)."""
    xp = namespace_of(x)
    N, C, H, W = x.shape
    maps = xp.reshape(numbered(N * C, x) * (H * W), (N, C, 1, 1))
    return maps + xp.expand_dims(rows * W + columns, axis=1)


def _take(x: Array, indices: Array) -> Array:
    xp = namespace_of(x)
    return xp.reshape(xp.take(xp.reshape(x, (-1,)), xp.reshape(indices, (-1,))), indices.shape)


def bordered(owner: object, x: Array, fill: float | Sequence[float]) -> Array:
    """Images with a border of one pixel of `fill`, from which all positions outside an image are read."""
    xp = namespace_of(x)
    N, C, H, W = x.shape
    value = of_channels(owner, fill, x)
    column, row = xp.broadcast_to(value, (N, C, H, 1)), xp.broadcast_to(value, (N, C, 1, W + 2))
    return xp.concat([row, xp.concat([column, x, column], axis=3), row], axis=2)


def sample(owner: object, x: Array, ys: Array, xs: Array, interpolation: str,
           fill: float | Sequence[float]) -> Array:
    """The images' values at any positions.

    Parameters
    ----------
    owner : object
        The transform, for errors.
    x : array, (N, C, H, W)
        The images; outside them everything is `fill`.
    ys, xs : arrays of float, that broadcast to (N, P, Q)
        Positions in pixels: (0, 0) is the centre of the first pixel.
    interpolation : {"nearest", "bilinear"}
        The nearest pixel (of two the even one, as PyTorch rounds), or the weighted mean of the four around.
    fill : number, or sequence of C numbers
        The value outside.
    """
    xp, dtype = namespace_of(x), x.dtype
    H, W = x.shape[2:]
    integer = numbered(1, x).dtype
    images = bordered(owner, x, fill)
    ys, xs = bounded(ys, -1, H), bounded(xs, -1, W)
    if interpolation == "nearest":
        return take_pixels(images, xp.astype(xp.round(ys), integer) + 1, xp.astype(xp.round(xs), integer) + 1)
    images, ys, xs = widen(images), ys + 1, xs + 1  # positions in the bordered image
    top, left = bounded(xp.floor(ys), 0, H), bounded(xp.floor(xs), 0, W)
    down, right = (xp.expand_dims(xp.astype(part, images.dtype), axis=1) for part in (ys - top, xs - left))
    indices, row = _flat_indices(images, xp.astype(top, integer), xp.astype(left, integer)), images.shape[3]
    upper = _interpolate(_take(images, indices), _take(images, indices + 1), right)
    lower = _interpolate(_take(images, indices + row), _take(images, indices + (row + 1)), right)
    return xp.astype(_interpolate(upper, lower, down), dtype, copy=False)


def _interpolate(a: Array, b: Array, share: Array) -> Array:
    """`a` where the share is 0, `b` where it is 1; exactly, where a and b are equal."""
    return a + (b - a) * share


def resize_weights(first: Array, length: Array, size: int, out: int, antialias: bool,
                   cubic: bool = False) -> Array:
    """The weights of `size` pixels in each of the `out` pixels that a part is resized to: (N, out, size).

    Linear or cubic interpolation between pixel centres; where that makes images smaller and with `antialias`,
    a triangle (or Keys' cubic with a = -1/2) as wide as an output pixel, as Pillow and
    ``torch.nn.functional.interpolate`` have it. Pixels
    outside the part have weight 0.

    Parameters
    ----------
    first, length : arrays of float, (N, 1, 1)
        Each image's part: its first pixel and how many there are.
    """
    xp = namespace_of(first)
    scale = length / out
    half_width = bounded(scale, 1, size) if antialias else xp.ones_like(scale)
    centres = (xp.reshape(numbered(out, first, first.dtype), (1, out, 1)) + 0.5) * scale - 0.5
    centres = centres if antialias else xp.minimum(bounded(centres, 0, size), length - 1)
    pixels = xp.reshape(numbered(size, first, first.dtype), (1, 1, size)) - first
    distance = xp.abs(pixels - centres) / half_width
    weights = _cubic(distance) if cubic else bounded(1 - distance, 0, 1)
    weights = xp.where((pixels >= 0) & (pixels < length), weights, xp.zeros_like(weights))
    return weights / xp.sum(weights, axis=2, keepdims=True)


def _cubic(distance: Array) -> Array:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2."""
    xp, t = namespace_of(distance), bounded(distance, 0, 2)
    return xp.where(t < 1, (1.5 * t - 2.5) * t * t + 1, ((2.5 - 0.5 * t) * t - 4) * t + 2)
