"""Which algorithm convolves, from shapes alone: the flat loops, a matrix product, or Winograd's; and how to overrule it.

The unit of cost is one multiply-add of a vector. The constants are measured, in the ratio to that product's own speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

FLAT, PRODUCT, WINOGRAD2, WINOGRAD4 = "flat", "product", "winograd2", "winograd4"
SIDES = {WINOGRAD2: 2, WINOGRAD4: 4}  # of the tile of results
NAMES = (FLAT, PRODUCT, WINOGRAD2, WINOGRAD4)

forced: str | None = None


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _product(pixels: int, depth: int, columns: int, lanes: int) -> float:
    """Pixels times packed filters."""
    return pixels * depth * ceil_div(columns, lanes) * 1.05


def _winograd(side: int, tiles: int, depth: int, columns: int, lanes: int) -> float:
    """The products, the transforms of images, results and filters."""
    area = (side + 2) ** 2
    into, out = ceil_div(depth, lanes), ceil_div(columns, lanes)
    return area * tiles * depth * out * 1.05 + tiles * (into + out) * area * 9 + depth * out * area * 8


def costs(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], lanes: int) -> tuple[dict[str, float], ...]:
    """What each algorithm that can be used would cost: forward, the input's gradient, the filters' gradient."""
    N, C, H, W = x
    K, Cg, R, S = weight
    P, Q = shape[2:]
    pixels, taps, (top, _), (left, _) = N * P * Q, R * S, *conv["padding"]
    # the flat loops' vectors run along pixels, and lose little with few channels; a rest of filters costs the others more
    flat = K * Cg * taps * ceil_div(pixels, lanes) * 1.3
    found: tuple[dict[str, float], ...] = ({FLAT: flat}, {FLAT: flat}, {FLAT: 1.5 * flat})
    if conv["groups"] != 1:
        return found
    forward, back, filters = found
    forward[PRODUCT] = _product(pixels, C * taps, K, lanes)
    back[PRODUCT] = _product(pixels, K * taps, C, lanes)
    filters[PRODUCT] = 1.1 * forward[PRODUCT]
    if (R, S) == (3, 3) and conv["stride"] == conv["dilation"] == (1, 1) and top <= 2 and left <= 2:
        for name, side in SIDES.items():
            forward[name] = _winograd(side, N * ceil_div(P, side) * ceil_div(Q, side), C, K, lanes)
            back[name] = _winograd(side, N * ceil_div(H, side) * ceil_div(W, side), K, C, lanes)
            filters[name] = 1.25 * forward[name]
    return found


def algorithms(x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], lanes: int, strict: bool) -> tuple[str, str, str]:
    """The algorithm for forward, for the input's gradient and for the filters' gradient."""
    found = costs(x, weight, shape, conv, lanes)
    if forced is not None and forced in found[0]:
        return forced, forced, forced
    forward = {name: cost for name, cost in found[0].items() if not (strict and name in SIDES)}
    first = min(forward, key=forward.__getitem__)
    if first == FLAT or weight[0] < 24 or weight[1] * weight[2] * weight[3] < 24:
        return FLAT, FLAT, FLAT
    rest = ({name: cost for name, cost in of.items() if name != FLAT and not (strict and name in SIDES)} for of in found[1:])
    return first, *(min(of, key=of.__getitem__) for of in rest)  # type: ignore[return-value]


@contextmanager
def algorithm(name: str | None) -> Any:
    """Inside the block, let every convolution that can go by `name` go so."""
    global forced  # noqa: PLW0603
    if name is not None and name not in NAMES:
        raise ValueError(f"there is no algorithm {name!r}; there are {', '.join(NAMES)}")
    before, forced = forced, name
    try:
        yield
    finally:
        forced = before
