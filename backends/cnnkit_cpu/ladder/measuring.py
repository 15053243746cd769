"""Running the steps: their arrays, whether they give the naive loop's numbers, and interleaved timing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.ops import OPS
from cnnkit.ops.core import Call

CONV: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
                        "dilation": (1, 1), "ceil_mode": False}
CALLS = [Call(OPS["conv"], CONV, 3), Call(OPS["relu"], {}, 0), Call(OPS["max_pool"], POOL, 0)]
TOLERANCE = 1e-5  # of the largest result: float32 sums of a few dozen products, added in other orders
LEAST = 2e-2      # seconds of a turn in a round: many calls, so that the caches hold what the step uses


class WrongNumbers(ArithmeticError):
    """A step whose results are not those of the naive loop; the message says where."""


@dataclass(frozen=True)
class Shape:
    """A batch of images and the number of 3x3 filters, with a padding of 1."""

    batch: int
    channels: int
    height: int
    width: int
    filters: int

    def __str__(self) -> str:
        return f"{self.channels}x{self.height}x{self.width} -> {self.filters} filters, batch {self.batch}"

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, filters and bias in float32: the same numbers every time.

        >>> [array.shape for array in Shape(2, 3, 8, 8, 5).arrays()]
        [(2, 3, 8, 8), (5, 3, 3, 3), (5,)]
        """
        random, filters = np.random.default_rng(0), (self.filters, self.channels, 3, 3)
        shapes = (self.batch, self.channels, self.height, self.width), filters, filters[:1]
        x, weight, bias = (random.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return x, weight, bias

    def result(self) -> np.ndarray:
        """Room for the results, NaN everywhere, so that what a step leaves out is seen."""
        return np.full((self.batch, self.filters, self.height // 2, self.width // 2), np.nan, np.float32)


SHAPES = Shape(128, 1, 28, 28, 8), Shape(128, 3, 32, 32, 16)  # the guide's network, and CIFAR's images


def compare(name: str, y: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, over the largest result.

    Raises
    ------
    WrongNumbers
        Where it is above `TOLERANCE`, or a result is NaN.

    >>> compare("4_mine.cpp", np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    Traceback (most recent call last):
        ...
    cnnkit_cpu.ladder.measuring.WrongNumbers: 4_mine.cpp gives 2.0 at (1,), and the naive loop 2.5
    """
    differences = np.abs(y - expected) / np.abs(expected).max()
    mismatch = ~(differences <= TOLERANCE)
    if mismatch.any():
        position = tuple(map(int, np.argwhere(mismatch)[0]))
        raise WrongNumbers(f"{name} gives {y[position]} at {position}, "
                           f"and the naive loop {expected[position]}")
    return float(differences.max())


def medians(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The median time of each call in seconds; in a round all take a turn, so what disturbs meets all."""
    def turn(call: Callable[[], Any], count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - start) / count

    counts = {}
    for name, call in calls.items():
        call()  # the first call meets fresh memory
        counts[name] = max(1, round(LEAST / turn(call, 1)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(turn(call, counts[name]))
    return {name: statistics.median(several) for name, several in times.items()}
