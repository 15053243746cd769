"""Which algorithm convolves, from shapes and the order of the axes in memory; and how to overrule it.

There are the flat loops, a matrix product, Winograd's algorithm with tiles of 2x2 or 4x4 results, and loops
for depthwise convolution, where channels are as many as a vector has numbers at least.

    >>> from cnnkit_cpu import choice
    >>> choice.algorithms((64, 64, 32, 32), (64, 64, 3, 3), padding=1)
    ('winograd4', 'winograd4', 'winograd4')
    >>> choice.algorithms((64, 3, 32, 32), (8, 3, 3, 3), padding=1)
    ('flat', 'flat', 'flat')

The unit of cost is one multiply-add of a vector of 16 numbers, as the matrix product makes it. The constants
say what other work costs beside it. They were measured on a Xeon with AVX-512 and two threads, and serve all
instruction sets: on an EPYC (Zen 3) with AVX2 others came out (``docs/benchmarks.md``), but networks chosen
by them trained no faster. ``python -m cnnkit_cpu.calibrate`` measures them again, and ``--only NAME`` one of
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cnnkit.shapes import conv_output_shape

FLAT, PRODUCT, WINOGRAD2, WINOGRAD4 = "flat", "product", "winograd2", "winograd4"
DEPTHWISE = "depthwise"  # the only choice beside the flat loops where every channel has its own filter
NAMES = (FLAT, PRODUCT, WINOGRAD2, WINOGRAD4, DEPTHWISE)
SIDES = {WINOGRAD2: 2, WINOGRAD4: 4}  # of the tile of results

LANES = 16  # numbers in the vector of the unit; a definition, whatever the instruction set

# What Winograd's algorithm costs, in units. Measured by `calibrate --only TILE_PRODUCT_COST`, which fits all
# that forward consists of together, and `calibrate --only GRADIENT_TRANSFORM_COST`.
TILE_PRODUCT_COST = 1.15  # a multiply-add of the products between the transforms: they are small matrices
TILE_TRANSFORM_COST = {2: 12, 4: 22}  # to transform one vector of a tile of image or result, by its side
GRADIENT_TRANSFORM_COST = 60  # the same for the filters' gradient: both factors are as large as the images
# The same where the sums of a tile's elements are at most so many (src/conv/winograd/few_filters.h), and stay
# in the cache with what they are made of. Measured by `calibrate --only FEW_TRANSFORM_COST`.
FEW_SUMS = 40 << 10
FEW_TRANSFORM_COST = 18
# With fewer windows than these, and few sums, the filters' gradient takes microseconds by a product too; and
# there numbers of it that are exactly 0, because pixels are, stay so. Adam divides by them: rounding in their
# place would be a whole step.
LEAST_WINDOWS = 8 << 10
FILTER_TRANSFORM_COST = 8  # to transform one vector of the filters, for each of a tile's elements
# The same where the transformed filters do not stay in the cache (src/conv/winograd/correlations.h), and make
# all of the time where tiles are few.
FILTERS_SHARED = 6 << 20  # bytes
LARGE_FILTER_TRANSFORM_COST = 18
# A factor: what the product itself costs more, forward, where all filters are one vector, since an address is
# read for each few multiply-adds. Measured by `calibrate --only ONE_VECTOR_COST`.
ONE_VECTOR_COST = 1.4

# What the flat loops cost, in units. Measured by `calibrate --only FLAT_GRADIENT_COST`, both together.
FLAT_GRADIENT_COST = 1.03  # a multiply-add of either gradient
FLAT_GRADIENT_PLACES = 50  # places of a map that either gradient spends on each image besides

# What the order of the axes in memory costs. Measured by `calibrate --only REORDER_COST` and `--only
# NEIGHBOURS_GAIN`.
REORDER_COST = 2  # units to put one number where it lies in the other order
NEIGHBOURS_GAIN = 1.15  # a factor: channels last may cost so much more, for the layers around gain by them

# Thresholds that replace a comparison of costs. From this many channels and filters on, channels last are
# always faster, whether nothing follows, max or average pooling by two by two (src/conv/patch), or another
# pooling. Measured by `calibrate --only CHANNELS_LAST_FROM`.
CHANNELS_LAST_FROM = {"": 32, "max": 64, "avg": 32, "other": 32}
# Weights of one filter from which a matrix product of fewer than 16 channels does not wait for the image.
# Measured by `calibrate --only PRODUCT_WEIGHTS_FROM`.
PRODUCT_WEIGHTS_FROM = 24
MOST_COLOURS = 4  # channels of an image, at most: nobody wants the gradient of an image; a rule, not measured

forced: str | None = None  # the name that `algorithm` has set


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def product_cost(pixels: int, depth: int, columns: int) -> float:
    """Units of a matrix product, pixels times packed filters."""
    return pixels * depth * ceil_div(columns, LANES)


def filter_transform_cost(side: int, depth: int, columns: int) -> float:
    """What it costs to transform one vector of the filters, forward or for the input's gradient."""
    large = 4 * (side + 2)**2 * depth * columns > FILTERS_SHARED
    return LARGE_FILTER_TRANSFORM_COST if large else FILTER_TRANSFORM_COST


def winograd_cost(side: int, tiles: int, depth: int, columns: int, transform: float,
                  filter_transform: float) -> float:
    """Units of Winograd's products, and of the transforms of images, results and filters."""
    area, in_vectors, out_vectors = (side + 2) ** 2, ceil_div(depth, LANES), ceil_div(columns, LANES)
    return area * (tiles * depth * out_vectors * TILE_PRODUCT_COST
                   + tiles * (in_vectors + out_vectors) * transform
                   + depth * out_vectors * filter_transform)


def tiles_along(results: int, side: int, dilation: int) -> int:
    """Tiles of one axis: with dilation there are as many interleaved rows of them.

    >>> tiles_along(32, 4, 1), tiles_along(32, 4, 8), tiles_along(30, 4, 4)
    (8, 8, 8)
    """
    return sum(ceil_div(ceil_div(results - phase, dilation), side) for phase in range(min(dilation, results)))


def costs(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any]) -> tuple[dict[str, float], ...]:
    """Units that each algorithm costs where channels lie last and it can be used.

    One dictionary each for forward, the input's gradient and the filters' gradient.
    """
    N, C, H, W = x
    K, _, R, S = weight
    P, Q = shape[2:]
    pixels, taps, ((top, _), (left, _)) = N * P * Q, R * S, conv["padding"]
    forward = {PRODUCT: product_cost(pixels, C * taps, K)}
    backward = {PRODUCT: product_cost(pixels, K * taps, C)}
    filters = {PRODUCT: product_cost(pixels, C * taps, K)}
    down, across = conv["dilation"]
    if (R, S) == (3, 3) and tuple(conv["stride"]) == (1, 1) and top <= 2 * down and left <= 2 * across:
        for name, side in SIDES.items():
            tiles, tiles_back = (N * tiles_along(h, side, down) * tiles_along(w, side, across)
                                 for h, w in ((P, Q), (H, W)))
            few, of_filters = has_few_sums(side, C, K), filter_transform_cost(side, C, K)
            forward[name] = winograd_cost(side, tiles, C, K, TILE_TRANSFORM_COST[side], of_filters)
            backward[name] = winograd_cost(side, tiles_back, K, C, TILE_TRANSFORM_COST[side], of_filters)
            filters[name] = winograd_cost(side, tiles, C, K,
                                          FEW_TRANSFORM_COST if few else GRADIENT_TRANSFORM_COST,
                                          FILTER_TRANSFORM_COST)
    return forward, backward, filters


def has_few_sums(side: int, C: int, K: int) -> bool:
    """Whether the sums of the filters' gradient by Winograd's algorithm stay in the cache."""
    return (side + 2)**2 * C * ceil_div(K, LANES) * LANES <= FEW_SUMS


def flat_costs(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any]) -> list[float]:
    """What the flat loops cost for the directions of `costs`; between two rows they multiply by zeros."""
    _, _, P, Q = shape
    K, C, R, S = weight
    row = Q + (S - 1) * conv["dilation"][1] // conv["stride"][1]
    forward = x[0] * P * row * C * R * S * K / LANES
    return [forward, *[forward * (FLAT_GRADIENT_COST + FLAT_GRADIENT_PLACES / (P * Q))] * 2]


def choose(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], pooled: str = "",
           strict: bool = False, channels_last: bool = True) -> tuple[str, ...]:
    """The algorithm for forward, for the input's gradient and for the filters' gradient.

    Parameters
    ----------
    pooled : str
        The pooling that follows, which the flat loops would fuse: a key of `CHANNELS_LAST_FROM`.
    strict : bool
        Whether Winograd's algorithm, which rounds more, is left out.
    channels_last : bool
        Whether the channels of the images lie last in memory; if not, all but the flat loops copy them.
    """
    K, C, R, S = weight
    many_channels = min(C, K) >= CHANNELS_LAST_FROM[pooled]
    few_channels = C < LANES and (C * R * S < PRODUCT_WEIGHTS_FROM or K % LANES != 0)
    use_flat = not many_channels and (pooled or K < LANES or few_channels)
    if conv["groups"] == x[1] == K >= LANES and forced != FLAT and not (forced is None and pooled):
        return DEPTHWISE, DEPTHWISE, DEPTHWISE
    if conv["groups"] != 1 or forced == FLAT or (forced is None and use_flat):
        return FLAT, FLAT, FLAT
    cost_tables = costs(x, weight, shape, conv)
    if forced is not None:
        return tuple(forced if forced in table else PRODUCT for table in cost_tables)
    if x[0] * math.prod(shape[2:]) < LEAST_WINDOWS:
        *others, filters = cost_tables
        cost_tables = (*others, {name: cost for name, cost in filters.items()
                                 if name not in SIDES or not has_few_sums(SIDES[name], C, K)})
    forward = {name: cost * (ONE_VECTOR_COST if name == PRODUCT and K <= LANES else 1)
               for name, cost in cost_tables[0].items()}
    best = tuple(min((name for name in table if not (strict and name in SIDES)), key=table.__getitem__)
                 for table in (forward, *cost_tables[1:]))
    best_by_direction = [table[name] for table, name in zip(cost_tables, best)]
    flat_by_direction = flat_costs(x, weight, shape, conv)
    copies = 2  # of the images, and of their gradient
    if C <= MOST_COLOURS:
        del best_by_direction[1], flat_by_direction[1]
        copies = 1
    (flat_by_direction if channels_last else best_by_direction).append(copies * REORDER_COST * math.prod(x))
    faster = sum(best_by_direction) < sum(flat_by_direction) * NEIGHBOURS_GAIN
    return best if many_channels or faster else (FLAT, FLAT, FLAT)


def algorithms(x: tuple, weight: tuple, stride: int | tuple = 1, padding: int | tuple = 0,
               dilation: int | tuple = 1, groups: int = 1, pooled: str = "", strict: bool = False,
               channels_last: bool = False) -> tuple[str, ...]:
    """The algorithm that a convolution uses for forward, the input's gradient and the filters' gradient.

    Parameters
    ----------
    x : tuple of int
        The images' shape, (N, C, H, W).
    weight : tuple of int
        The filters' shape, (K, C / groups, R, S).
    stride, padding, dilation : int or tuple
        As those of `cnnkit.functional.conv2d`.
    channels_last : bool
        Whether the images lie so in memory, (N, H, W, C).

    >>> algorithms((16, 512, 4, 4), (512, 512, 3, 3), padding=1, strict=True)
    ('product', 'product', 'product')
    >>> algorithms((128, 8, 16, 16), (16, 8, 5, 5), padding=2)
    ('product', 'product', 'product')
    >>> algorithms((128, 8, 16, 16), (16, 8, 5, 5), padding=2, pooled="max")
    ('flat', 'flat', 'flat')
    """
    def pair(v: int | tuple) -> tuple:
        return v if isinstance(v, tuple) else (v, v)
    conv: dict[str, Any] = {"stride": pair(stride), "padding": tuple(pair(p) for p in pair(padding)),
                            "dilation": pair(dilation), "groups": groups}
    shape = conv_output_shape(x, weight, *conv.values())
    return choose(x, weight, shape, conv, pooled, strict, channels_last)


@contextmanager
def algorithm(name: str | None) -> Iterator[None]:
    """Inside the block, every convolution that can uses `name`, and all others the matrix product.

    `name` is ``"flat"``, ``"product"``, ``"winograd2"``, ``"winograd4"`` or ``"depthwise"``. It holds for the
    whole process.

    Raises
    ------
    ValueError
        If there is no such algorithm.

    >>> with algorithm("product"):
    ...     algorithms((64, 3, 32, 32), (8, 3, 3, 3))
    ('product', 'product', 'product')
    """
    global forced  # noqa: PLW0603
    if name is not None and name not in NAMES:
        raise ValueError(f"there is no algorithm {name!r}; there are {', '.join(NAMES)}")
    previous, forced = forced, name
    try:
        yield
    finally:
        forced = previous
