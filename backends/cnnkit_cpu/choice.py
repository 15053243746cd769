"""Which algorithm convolves, from shapes and the order of the axes in memory: the flat loops, a matrix product, or Winograd's;
and how to overrule it.

    >>> from cnnkit_cpu import choice
    >>> choice.algorithms((64, 64, 32, 32), (64, 64, 3, 3), padding=1)
    ('winograd4', 'winograd4', 'winograd4')
    >>> choice.algorithms((64, 3, 32, 32), (8, 3, 3, 3), padding=1)
    ('flat', 'flat', 'flat')

The unit of cost is one multiply-add of a vector of 16 numbers. What the transforms cost beside it was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cnnkit.shapes import conv_output_shape

FLAT, PRODUCT, WINOGRAD2, WINOGRAD4 = "flat", "product", "winograd2", "winograd4"
SIDES = {WINOGRAD2: 2, WINOGRAD4: 4}  # of the tile of results
TRANSFORM = {2: 12, 4: 22}  # what it costs to transform one number of a tile, by the side
BOTH = 60  # ... for the filters' gradient, where both sides of the products are as large as the images
NAMES = (FLAT, PRODUCT, WINOGRAD2, WINOGRAD4)
LANES = 16
MANY = {"": 32, "max": 64, "avg": 32, "other": 32}  # channels and filters from which vectors of them are always faster; by pooling
TAPS = 24  # numbers that a filter of few channels needs, for its product with an image not to wait for the image
FLAT_BACK = 1.03, 50  # what a multiply-add of the flat loops costs for either gradient, and that of one place more for each image
MOVE = 2  # what it costs to put a number where it lies in the other order of memory
NEIGHBOURS = 1.15  # what channels last may cost more: the layers around are better off with them
COLOURS = 4  # channels of an image, at most

forced: str | None = None  # what `algorithm` says


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def _product(pixels: int, depth: int, columns: int) -> float:
    """Pixels times packed filters."""
    return pixels * depth * ceil_div(columns, LANES)


def _winograd(side: int, tiles: int, depth: int, columns: int, transform: int) -> float:
    """The products, and the transforms of images, results and filters."""
    area, into, out = (side + 2) ** 2, ceil_div(depth, LANES), ceil_div(columns, LANES)
    return area * (tiles * depth * out * 1.15 + tiles * (into + out) * transform + depth * out * 8)


def costs(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any]) -> tuple[dict[str, float], ...]:
    """What each algorithm costs that can be used on channels that lie last: forward, the input's gradient, the filters'."""
    N, C, H, W = x
    K, _, R, S = weight
    P, Q = shape[2:]
    pixels, taps, (top, _), (left, _) = N * P * Q, R * S, *conv["padding"]
    forward = {PRODUCT: _product(pixels, C * taps, K)}
    back = {PRODUCT: _product(pixels, K * taps, C)}
    filters = {PRODUCT: _product(pixels, C * taps, K)}
    if (R, S) == (3, 3) and tuple(conv["stride"]) == tuple(conv["dilation"]) == (1, 1) and top <= 2 and left <= 2:
        for name, side in SIDES.items():
            tiles = N * ceil_div(P, side) * ceil_div(Q, side)
            forward[name] = _winograd(side, tiles, C, K, TRANSFORM[side])
            back[name] = _winograd(side, N * ceil_div(H, side) * ceil_div(W, side), K, C, TRANSFORM[side])
            filters[name] = _winograd(side, tiles, C, K, BOTH)
    return forward, back, filters


def _flat(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any]) -> list[float]:
    """What the flat loops cost for the same three: between two rows they multiply by zeros."""
    _, _, P, Q = shape
    K, C, R, S = weight
    each, more = FLAT_BACK
    row = Q + (S - 1) * conv["dilation"][1] // conv["stride"][1]
    forward = x[0] * P * row * C * R * S * K / LANES
    return [forward, *[forward * (each + more / (P * Q))] * 2]


def choose(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], pooled: str = "", strict: bool = False,
           last: bool = True) -> tuple[str, ...]:
    """The algorithm for forward, for the input's gradient and for the filters' gradient. `pooled`: a pooling follows, which the
    flat loops take in: ``"max"`` or ``"avg"`` as in src/patch.h, or ``"other"``. `last`: whether the channels of the images lie
    last in memory; if not, they are copied for what wants them so.
    """
    K, C, R, S = weight
    many, few = min(C, K) >= MANY[pooled], C < LANES and (C * R * S < TAPS or K % LANES != 0)
    if conv["groups"] != 1 or forced == FLAT or (forced is None and not many and (pooled or K < LANES or few)):
        return FLAT, FLAT, FLAT
    found = costs(x, weight, shape, conv)
    if forced is not None:
        return tuple(forced if forced in of else PRODUCT for of in found)
    best = tuple(min((name for name in of if not (strict and name in SIDES)), key=of.__getitem__) for of in found)
    wanted, flat = [of[name] for of, name in zip(found, best)], _flat(x, weight, shape, conv)
    copies = 2  # of the images, and of their gradient
    if C <= COLOURS:  # nobody asks for the gradient of an image
        del wanted[1], flat[1]
        copies = 1
    (flat if last else wanted).append(copies * MOVE * math.prod(x))
    return best if many or sum(wanted) < sum(flat) * NEIGHBOURS else (FLAT, FLAT, FLAT)


def algorithms(x: tuple, weight: tuple, stride: int | tuple = 1, padding: int | tuple = 0, dilation: int | tuple = 1,
               groups: int = 1, pooled: str = "", strict: bool = False, channels_last: bool = False) -> tuple[str, ...]:
    """By which algorithm a convolution of images `x` (N, C, H, W) with filters `weight` (K, C / groups, R, S) goes: forward, the
    input's gradient, the filters' gradient. `channels_last`: whether the images lie so in memory, (N, H, W, C).

    >>> algorithms((16, 512, 4, 4), (512, 512, 3, 3), padding=1, strict=True)
    ('product', 'product', 'product')
    >>> algorithms((128, 8, 16, 16), (16, 8, 5, 5), padding=2)
    ('product', 'product', 'product')
    >>> algorithms((128, 8, 16, 16), (16, 8, 5, 5), padding=2, pooled="max")
    ('flat', 'flat', 'flat')
    """
    def pair(v: int | tuple) -> tuple:
        return v if isinstance(v, tuple) else (v, v)
    conv = {"stride": pair(stride), "padding": tuple(pair(p) for p in pair(padding)), "dilation": pair(dilation), "groups": groups}
    return choose(x, weight, conv_output_shape(x, weight, *conv.values()), conv, pooled, strict, channels_last)


@contextmanager
def algorithm(name: str | None) -> Iterator[None]:
    """Inside the block, let every convolution that can go by `name` (``"flat"``, ``"product"``, ``"winograd2"``,
    ``"winograd4"``), and the others by the matrix product. It holds for the whole process.

    >>> with algorithm("product"):
    ...     algorithms((64, 3, 32, 32), (8, 3, 3, 3))
    ('product', 'product', 'product')
    """
    global forced  # noqa: PLW0603
    if name is not None and name not in NAMES:
        raise ValueError(f"there is no algorithm {name!r}; there are {', '.join(NAMES)}")
    before, forced = forced, name
    try:
        yield
    finally:
        forced = before
