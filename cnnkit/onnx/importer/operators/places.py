"""Where in an image each pixel of a resized one lies, and which pixels make it, along one axis.

The formulas are those of ONNX's specification of Resize.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Along", "is_identity", "nearest", "weights"]

NEAREST = {"round_prefer_floor": lambda x: math.ceil(x - 0.5),
           "round_prefer_ceil": lambda x: math.floor(x + 0.5), "floor": math.floor, "ceil": math.ceil}


class Along(NamedTuple):
    """An axis: its length, the new size, the scale, and the part of the axis that is resized, from 0 to 1."""

    length: int
    size: int
    scale: float
    start: float
    stop: float


def is_identity(along: Along, transformation: str) -> bool:
    """Whether nothing is to be done."""
    cropped = transformation == "tf_crop_and_resize" and (along.start, along.stop) != (0.0, 1.0)
    return along.size == along.length and math.isclose(along.scale, 1.0) and not cropped


def _places(along: Along, transformation: str) -> list[float]:
    """For each pixel of the result, where it lies in the image."""
    (n, size, scale, start, stop), made = along, along.scale * along.length
    if transformation == "align_corners":
        step = 0.0 if made == 1 else (n - 1) / (made - 1)
        return [i * step for i in range(size)]
    if transformation == "asymmetric":
        return [i / scale for i in range(size)]
    if transformation == "half_pixel" or (transformation == "pytorch_half_pixel" and made != 1):
        return [(i + 0.5) / scale - 0.5 for i in range(size)]
    if transformation == "pytorch_half_pixel":
        return [-0.5] * size
    if transformation == "half_pixel_symmetric":
        offset = n / 2 * (1 - size / made)
        return [offset + (i + 0.5) / scale - 0.5 for i in range(size)]
    if transformation == "tf_half_pixel_for_nn":
        return [(i + 0.5) / scale for i in range(size)]
    if transformation == "tf_crop_and_resize":
        if made == 1:
            return [(start + stop) / 2 * (n - 1)] * size
        return [start * (n - 1) + i * (stop - start) * (n - 1) / (made - 1) for i in range(size)]
    raise ValueError(f"Resize has no coordinate_transformation_mode={transformation!r}")


def _outside(along: Along, transformation: str, places: list[float]) -> tuple[int, ...]:
    """The pixels that lie beyond the image where a part of it is cut out."""
    if transformation != "tf_crop_and_resize":
        return ()
    return tuple(i for i, place in enumerate(places) if not 0 <= place <= along.length - 1)


@lru_cache(256)
def nearest(along: Along, transformation: str, rounding: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each pixel of the result the one that it repeats; and those that lie beyond the image."""
    if rounding not in NEAREST:
        raise ValueError(f"nearest_mode is one of {', '.join(NEAREST)}; got {rounding!r}")
    places = _places(along, transformation)
    chosen = tuple(min(max(NEAREST[rounding](place), 0), along.length - 1) for place in places)
    return chosen, _outside(along, transformation, places)


@lru_cache(64)
def weights(along: Along, transformation: str, mode: str, a: float, exclude_outside: bool,
            antialias: bool) -> tuple[np.ndarray, tuple[int, ...]]:
    """How much of each pixel there is in each of the result (size, length); and those beyond the image.

    Pixels beyond the edge are the edge's, or with `exclude_outside` they count for nothing.
    """
    if mode not in ("linear", "cubic"):
        raise ValueError(f"mode is nearest, linear or cubic; got {mode!r}")
    places, n = _places(along, transformation), along.length
    squeeze = min(along.scale, 1.0) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) / squeeze
    rows = np.zeros((along.size, n))
    for row, place in zip(rows, places):
        near = range(math.floor(place - reach) + 1, math.ceil(place + reach))
        parts = [_kernel(mode, (j - place) * squeeze, a) for j in near]
        if exclude_outside:
            parts = [part if 0 <= j < n else 0.0 for j, part in zip(near, parts)]
        if antialias or exclude_outside:
            total = sum(parts) or 1.0
            parts = [part / total for part in parts]
        for j, part in zip(near, parts):
            row[min(max(j, 0), n - 1)] += part
    return rows, _outside(along, transformation, places)


def _kernel(mode: str, x: float, a: float) -> float:
    """The triangle, or the cubic convolution kernel (Keys 1981)."""
    x = abs(x)
    if mode == "linear":
        return max(1 - x, 0.0)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0
