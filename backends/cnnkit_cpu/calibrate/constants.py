"""The constants of `cnnkit_cpu.choice`, each with the calls whose times it is made of.

All are in units of one multiply-add of a vector of `choice.LANES` numbers. A unit is timed with them: it is
what the matrix product of the control takes, by the multiply-adds that it makes.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnkit_cpu import choice
from cnnkit_cpu.calibrate.rounds import Rounds
from cnnkit_cpu.calibrate.workloads import (
    FILTERS,
    FORWARD,
    INPUT,
    Conv,
    convolution,
    layer,
    neighbours,
    reordering,
)

UNIT, QUICK_UNIT = Conv(8, 64, 64, 16), Conv(1, 16, 16, 6)  # the control: a product that stays in the cache

Constants = dict[str, float | None]  # values by name; None: the measurements give no such value


@dataclass(frozen=True)
class Measurer:
    """Times calls in rounds beside the control; `quick`: tiny shapes, whose figures mean nothing."""

    rounds: Rounds
    quick: bool = False

    @property
    def control(self) -> Conv:
        """The convolution that the control computes."""
        return QUICK_UNIT if self.quick else UNIT

    def units(self, calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
        """What each call costs, in units.

        Raises
        ------
        DisturbedError
            If the machine was disturbed meanwhile.
        """
        control = convolution(self.control, choice.PRODUCT, FORWARD, True)
        times = self.rounds.medians(control, {"": control, **calls})
        unit = times.pop("") / product_units(self.control)
        return {name: seconds / unit for name, seconds in times.items()}

    def pick(self, shapes: Sequence[Any], quick: Sequence[Any]) -> Sequence[Any]:
        """The shapes to measure."""
        return quick if self.quick else shapes


def product_units(conv: Conv) -> float:
    """Multiply-adds of vectors that the matrix product makes, forward."""
    pixels = conv.batch * conv.size**2
    return choice.product_cost(pixels, conv.channels * conv.kernel**2, conv.filters)


def winograd_terms(conv: Conv, side: int) -> tuple[float, float, float]:
    """How many products, transforms of tiles and transforms of filters `choice.winograd_cost` counts."""
    tiles = conv.batch * choice.ceil_div(conv.size, side)**2
    in_vectors, out_vectors = (choice.ceil_div(n, choice.LANES) for n in (conv.channels, conv.filters))
    area = (side + 2)**2
    products = conv.channels * out_vectors
    return area * tiles * products, area * tiles * (in_vectors + out_vectors), area * products


def has_large_filters(conv: Conv, side: int) -> bool:
    """Whether the transformed filters do not stay in the cache."""
    return 4 * (side + 2)**2 * conv.channels * conv.filters > choice.FILTERS_SHARED


# with more transforms of tiles, more products, or more transforms of filters beside the others
WINOGRAD = [Conv(32, 16, 16, 32), Conv(16, 32, 32, 32), Conv(16, 16, 64, 16), Conv(8, 128, 128, 16),
            Conv(4, 256, 256, 8), Conv(1, 256, 256, 4), Conv(1, 384, 384, 4), Conv(1, 128, 128, 8),
            Conv(8, 512, 512, 4), Conv(16, 512, 512, 4)]
QUICK_WINOGRAD = [Conv(1, 16, 16, 6), Conv(1, 32, 16, 4), Conv(1, 16, 32, 8)]


def winograd(measurer: Measurer) -> Constants:
    """What products and transforms cost forward, fitted together to shapes with more of one or another."""
    shapes = measurer.pick(WINOGRAD, QUICK_WINOGRAD)
    jobs = {f"{name} {conv}": (conv, name) for conv in shapes for name in choice.SIDES}
    units = measurer.units({job: convolution(conv, name, FORWARD, True)
                            for job, (conv, name) in jobs.items()})
    rows = []
    for job, (conv, name) in jobs.items():
        products, transforms, filters = winograd_terms(conv, choice.SIDES[name])
        by_side = [transforms if side == choice.SIDES[name] else 0.0 for side in (2, 4)]
        large = has_large_filters(conv, choice.SIDES[name])
        by_size = [filters if is_large == large else 0.0 for is_large in (False, True)]
        rows.append([count / units[job] for count in (products, *by_side, *by_size)])
    fitted = np.linalg.lstsq(np.array(rows), np.ones(len(rows)), rcond=None)[0]
    product, side2, side4, small, large = fitted.tolist()
    return {"TILE_PRODUCT_COST": product, "TILE_TRANSFORM_COST[2]": side2, "TILE_TRANSFORM_COST[4]": side4,
            "FILTER_TRANSFORM_COST": small, "LARGE_FILTER_TRANSFORM_COST": large}


FEW_SUMS = [Conv(32, 16, 16, 32), Conv(16, 32, 32, 32), Conv(16, 32, 32, 16), Conv(32, 16, 64, 15)]
MANY_SUMS = [Conv(16, 64, 64, 16), Conv(8, 128, 128, 16), Conv(16, 64, 64, 8), Conv(8, 96, 96, 16)]
QUICK_MANY_SUMS = [Conv(1, 64, 80, 6)]


def few_transform(measurer: Measurer) -> Constants:
    """What a transform costs for the filters' gradient where a task's sums stay in the cache."""
    shapes = measurer.pick(FEW_SUMS, QUICK_WINOGRAD)
    return {"FEW_TRANSFORM_COST": per_gradient_transform(measurer, shapes)}


def gradient_transform(measurer: Measurer) -> Constants:
    """What a transform costs for the filters' gradient where they do not."""
    shapes = measurer.pick(MANY_SUMS, QUICK_MANY_SUMS)
    return {"GRADIENT_TRANSFORM_COST": per_gradient_transform(measurer, shapes)}


def per_gradient_transform(measurer: Measurer, shapes: Sequence[Conv]) -> float:
    """The filters' gradient by Winograd's algorithm, less its products and filters' transforms."""
    jobs = {f"{name} {conv}": (conv, name) for conv in shapes for name in choice.SIDES}
    units = measurer.units({job: convolution(conv, name, FILTERS, True)
                            for job, (conv, name) in jobs.items()})
    per_transform = []
    for job, (conv, name) in jobs.items():
        products, transforms, filters = winograd_terms(conv, choice.SIDES[name])
        remainder = units[job] - products * choice.TILE_PRODUCT_COST - filters * choice.FILTER_TRANSFORM_COST
        per_transform.append(remainder / transforms)
    return statistics.median(per_transform)


def flat_gradients(measurer: Measurer) -> Constants:
    """What a gradient by the flat loops costs beside forward's multiply-adds, on small and large maps."""
    shapes = measurer.pick([Conv(n, 8, 16, size) for n, size in ((64, 4), (32, 8), (16, 16), (8, 32))],
                           [Conv(1, 2, 4, size) for size in (4, 6, 8)])
    jobs = {f"{direction} {conv}": (conv, direction) for conv in shapes for direction in (INPUT, FILTERS)}
    units = measurer.units({job: convolution(conv, choice.FLAT, direction, False)
                            for job, (conv, direction) in jobs.items()})
    rows = []
    for job, (conv, _) in jobs.items():
        forward = choice.flat_costs(conv.x, conv.weight, conv.y, conv.attrs)[0]
        rows.append([forward / units[job], forward / conv.size**2 / units[job]])
    multiply_add, places = np.linalg.lstsq(np.array(rows), np.ones(len(rows)), rcond=None)[0].tolist()
    return {"FLAT_GRADIENT_COST": multiply_add, "FLAT_GRADIENT_PLACES": places}


def one_vector(measurer: Measurer) -> Constants:
    """What the matrix product costs forward where all filters are one vector, beside where they are two."""
    shapes = measurer.pick([Conv(1, 16, 16, 32), Conv(8, 16, 16, 32), Conv(8, 64, 16, 15)],
                           [Conv(1, 16, 16, 6)])
    twice = {conv: replace(conv, filters=2 * conv.filters) for conv in shapes}
    units = measurer.units({str(conv): convolution(conv, choice.PRODUCT, FORWARD, True)
                            for conv in (*twice, *twice.values())})
    return {"ONE_VECTOR_COST": statistics.median(2 * units[str(one)] / units[str(two)]
                                                 for one, two in twice.items())}


def reorder(measurer: Measurer) -> Constants:
    """Copies of images from C order to channels last, by their numbers."""
    shapes = measurer.pick([Conv(16, 8, 16, 32), Conv(16, 16, 16, 32), Conv(32, 32, 32, 16)],
                           [Conv(1, 4, 4, 6)])
    units = measurer.units({str(conv): reordering(conv) for conv in shapes})
    return {"REORDER_COST": statistics.median(units[str(conv)] / np.prod(conv.x) for conv in shapes)}


def neighbours_gain(measurer: Measurer) -> Constants:
    """What batch norm, ReLU and pooling save with channels last, beside the flat loops before them."""
    shapes = measurer.pick([Conv(32, 8, 16, 32), Conv(32, 16, 16, 16), Conv(16, 16, 32, 32)],
                           [Conv(1, 4, 16, 6)])
    calls: dict = {}
    for conv in shapes:
        calls |= {f"{channels_last} {conv}": neighbours(conv, channels_last)
                  for channels_last in (False, True)}
        calls |= {f"{direction} {conv}": convolution(conv, choice.FLAT, direction, False)
                  for direction in (FORWARD, INPUT, FILTERS)}
    units = measurer.units(calls)
    gains = []
    for conv in shapes:
        flat = sum(units[f"{direction} {conv}"] for direction in (FORWARD, INPUT, FILTERS))
        gains.append(1 + (units[f"False {conv}"] - units[f"True {conv}"]) / flat)
    return {"NEIGHBOURS_GAIN": statistics.median(gains)}


def channels_last_from(measurer: Measurer) -> Constants:
    """From how many channels and filters on a layer with channels last is faster, whatever follows."""
    counts = measurer.pick((8, 16, 32, 64, 128), (8, 16))
    thresholds: Constants = {}
    for pooled in choice.CHANNELS_LAST_FROM:
        calls: dict = {}
        for n in counts:
            conv = Conv(1, n, n, 6) if measurer.quick else Conv(16, n, n, 16)
            calls |= {f"{n} {name}": layer(conv, name, name != choice.FLAT, pooled) for name in choice.NAMES}
        units = measurer.units(calls)
        faster = {n: min(units[f"{n} {name}"] for name in choice.NAMES[1:]) < units[f"{n} {choice.FLAT}"]
                  for n in counts}
        thresholds[f'CHANNELS_LAST_FROM["{pooled}"]'] = first_of_all(faster)
    return thresholds


def product_weights_from(measurer: Measurer) -> Constants:
    """From how many weights of a filter on a product of few channels is faster than the flat loops."""
    shapes = measurer.pick([Conv(32, channels, 16, 32, kernel) for channels, kernel in
                            ((1, 3), (2, 3), (1, 5), (3, 3), (4, 3), (2, 5), (6, 3))],
                           [Conv(1, channels, 16, 6) for channels in (1, 2, 4)])
    jobs = {f"{name} {direction} {conv}": convolution(conv, name, direction, False) for conv in shapes
            for name in (choice.FLAT, choice.PRODUCT) for direction in (FORWARD, FILTERS)}
    units = measurer.units(jobs)

    def cost(name: str, conv: Conv) -> float:
        return sum(units[f"{name} {direction} {conv}"] for direction in (FORWARD, FILTERS))
    faster = {conv.channels * conv.kernel**2: cost(choice.PRODUCT, conv) < cost(choice.FLAT, conv)
              for conv in shapes}
    return {"PRODUCT_WEIGHTS_FROM": first_of_all(faster)}


def first_of_all(faster: Mapping[int, bool]) -> float | None:
    """The first number from which on all are faster.

    >>> first_of_all({8: True, 16: False, 32: True, 64: True})
    32
    """
    threshold = None
    for number in sorted(faster, reverse=True):
        if not faster[number]:
            break
        threshold = number
    return threshold


MEASUREMENTS: dict[str, Callable[[Measurer], Constants]] = {
    "TILE_PRODUCT_COST": winograd, "TILE_TRANSFORM_COST": winograd, "FILTER_TRANSFORM_COST": winograd,
    "LARGE_FILTER_TRANSFORM_COST": winograd,
    "GRADIENT_TRANSFORM_COST": gradient_transform, "FEW_TRANSFORM_COST": few_transform,
    "FLAT_GRADIENT_COST": flat_gradients, "FLAT_GRADIENT_PLACES": flat_gradients,
    "ONE_VECTOR_COST": one_vector, "REORDER_COST": reorder, "NEIGHBOURS_GAIN": neighbours_gain,
    "CHANNELS_LAST_FROM": channels_last_from, "PRODUCT_WEIGHTS_FROM": product_weights_from}


def shipped(constant: str) -> dict[str, float]:
    """The values that `choice` has of a constant, by the names that measurements give them.

    >>> shipped("TILE_TRANSFORM_COST")
    {'TILE_TRANSFORM_COST[2]': 12, 'TILE_TRANSFORM_COST[4]': 22}
    """
    value = getattr(choice, constant)
    if not isinstance(value, dict):
        return {constant: value}
    return {f"{constant}[{json.dumps(key)}]": v for key, v in value.items()}
