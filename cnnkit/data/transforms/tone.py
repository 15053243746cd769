"""Changes of tone of images (N, C, H, W) from 0 to `white`; where it is not 1, of whole numbers."""

from __future__ import annotations

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import bounded, moved, numbered
from cnnkit.ops.dtypes import widen

__all__ = ["autocontrast", "equalize", "grayscale", "invert", "posterize", "sharpen", "solarize"]

LUMA = (0.2989, 0.587, 0.114)  # as torchvision and MATLAB weigh red, green and blue
PILLOW_LUMA = (19595.0, 38470.0, 7471.0)  # in parts of 65536


def grayscale(x: Array, white: float) -> Array:
    """The images in gray, (N, 1, H, W): of pictures Pillow's, to the bit."""
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise ValueError(f"images of 1 or 3 channels have a gray; got {x.shape[1]} channels")
    red, green, blue = (x[:, n:n + 1, ...] for n in range(3))
    r, g, b = LUMA if white == 1 else PILLOW_LUMA
    gray = red * r + green * g + blue * b
    return gray if white == 1 else namespace_of(x).floor((gray + 32768) / 65536)


def invert(x: Array, white: float) -> Array:
    """Dark becomes bright."""
    return white - x


def posterize(x: Array, white: float, bits: int) -> Array:
    """Only ``2 ** bits`` values in each channel."""
    levels = 2 ** bits
    step = (white + 1 if white > 1 else 1.0) / levels
    return bounded(namespace_of(x).floor(x / step), 0, levels - 1) * step


def solarize(x: Array, white: float, threshold: float) -> Array:
    """What is at least as bright as `threshold` is inverted."""
    return namespace_of(x).where(x >= threshold, white - x, x)


def autocontrast(x: Array, white: float) -> Array:
    """Each channel stretched, so that it reaches from 0 to `white`; one of a single value stays."""
    xp = namespace_of(x)
    low, high = xp.min(x, axis=(2, 3), keepdims=True), xp.max(x, axis=(2, 3), keepdims=True)
    span = high - low
    flat = span == 0
    stretched = (x - low) * white / xp.where(flat, xp.ones_like(span), span)
    return xp.where(flat, x, bounded(xp.floor(stretched) if white > 1 else stretched, 0, white))


def sharpen(x: Array, white: float, factor: float) -> Array:
    """Each pixel away from (factor above 1) or towards its mean with those around it; edges stay."""
    xp = namespace_of(x)
    H, W = x.shape[2:]
    if min(H, W) < 3:
        return x
    x = widen(x)
    columns = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    inner = x[:, :, 1:-1, 1:-1]
    smooth = (columns[:, :, :-2, :] + columns[:, :, 1:-1, :] + columns[:, :, 2:, :] + 4 * inner) / 13
    changed = xp.round(smooth) if white > 1 else smooth
    changed = bounded(changed + factor * (inner - changed), 0, white)
    changed = xp.floor(changed) if white > 1 else changed
    middle = xp.concat([x[:, :, 1:-1, :1], changed, x[:, :, 1:-1, -1:]], axis=3)
    return xp.concat([x[:, :, :1, :], middle, x[:, :, -1:, :]], axis=2)


def equalize(x: Array, white: float) -> Array:
    """Each channel's 256 values spread so that about as many pixels have each of them."""
    xp = namespace_of(x)
    N, C = x.shape[:2]
    if 0 in x.shape:
        return x
    values = xp.floor(x * (255.999 if white == 1 else 255 / white))
    maps = [_equalized(values[n, c, ...]) for n in range(N) for c in range(C)]
    return xp.reshape(xp.stack(maps), x.shape) * (white / 255)


def _equalized(values: Array) -> Array:
    """One channel (H, W) of whole numbers from 0 to 255, as Pillow's `ImageOps.equalize` does."""
    xp = namespace_of(values)
    integer = numbered(1, values).dtype
    flat = xp.astype(xp.reshape(values, (-1,)), integer)
    ordered = xp.sort(flat)
    below = xp.searchsorted(ordered, numbered(256, values, integer))  # how many pixels are darker
    brightest = xp.searchsorted(ordered, ordered[-1:])
    step = xp.astype(brightest, integer) // 255
    divisor = xp.where(step == 0, xp.ones_like(step), step)
    table = xp.minimum((step // 2 + xp.astype(below, integer)) // divisor, moved([255], values, integer))
    table = xp.where(step == 0, numbered(256, values, integer), table)
    return xp.reshape(xp.astype(xp.take(table, flat), values.dtype), values.shape)
