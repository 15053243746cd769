"""Running the steps: their arrays, whether they give the numbers of float64 loops, and what they move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np

from cnnkit.backends import Backend
from cnnkit.conformance.reference import REFERENCES
from cnnkit_cupy.contracts import CountingDevice, device_of
from cnnkit_cupy.ladder.steps import CONV, POOL, STEPS

TOLERANCE = 1e-5  # of the largest result: float32 sums of a few dozen products


class WrongNumbers(ArithmeticError):
    """A step whose results are not those of the float64 loops; the message says where."""


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

    @property
    def products(self) -> int:
        """Multiply-adds of the convolution."""
        return self.batch * self.filters * self.height * self.width * self.channels * 9

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, filters and bias in float32: the same numbers every time.

        >>> [array.shape for array in Shape(2, 3, 8, 8, 5).arrays()]
        [(2, 3, 8, 8), (5, 3, 3, 3), (5,)]
        """
        random, filters = np.random.default_rng(0), (self.filters, self.channels, 3, 3)
        shapes = (self.batch, self.channels, self.height, self.width), filters, filters[:1]
        x, weight, bias = (random.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return x, weight, bias

    def expected(self) -> np.ndarray:
        """The results of loops over every pixel, in float64."""
        y = REFERENCES["conv"][0](*(array.astype(np.float64) for array in self.arrays()), **CONV)
        return REFERENCES["max_pool"][0](np.maximum(y, 0), **POOL)


@dataclass(frozen=True)
class Count:
    """What a step moves.

    Attributes
    ----------
    launches : int
        Kernels that it launches.
    read, written : int
        Sectors of 32 bytes of global memory.
    loads : int
        Load instructions of warps, from global and from shared memory.
    conflicts : float or None
        Passes of loads over the banks of shared memory, over the fewest; `None` without such loads.
    """

    launches: int
    read: int
    written: int
    loads: int
    conflicts: float | None


def compare(name: str, y: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, over the largest result.

    Raises
    ------
    WrongNumbers
        Where it is above `TOLERANCE`, or a result is NaN.

    >>> compare("3_fused.cu", np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    Traceback (most recent call last):
        ...
    cnnkit_cupy.ladder.measuring.WrongNumbers: 3_fused.cu gives 2.0 at (1,), and the float64 loops 2.5
    """
    differences = np.abs(y - expected) / np.abs(expected).max()
    mismatch = ~(differences <= TOLERANCE)
    if mismatch.any():
        position = tuple(map(int, np.argwhere(mismatch)[0]))
        raise WrongNumbers(f"{name} gives {y[position]} at {position}, "
                           f"and the float64 loops {expected[position]}")
    return float(differences.max())


def check(backend: Backend, shape: Shape) -> dict[str, float]:
    """The largest difference of each step from the float64 loops.

    Raises
    ------
    WrongNumbers
        If a step's results are not theirs.
    """
    arrays, expected = [backend.asarray(array) for array in shape.arrays()], shape.expected()
    return {name: compare(name, backend.to_numpy(step(device_of(backend), *arrays)), expected)
            for name, step in STEPS.items()}


def counts(backend: Backend, shape: Shape) -> dict[str, Count]:
    """What each step moves; `backend` is the emulator's."""
    arrays, by_step = [backend.asarray(array) for array in shape.arrays()], {}
    for name, step in STEPS.items():
        with cast(CountingDevice, device_of(backend)).counted() as launches:
            step(device_of(backend), *arrays)
        by_step[name] = total(launches)
    return by_step


def total(launches: Iterable[Any]) -> Count:
    """The counts of several launches together."""
    launches = list(launches)
    sites = [site for launched in launches for site in launched.sites]
    shared = [site for site in sites if site.shared and not site.writes]
    return Count(len(launches), sum(s.actual for s in sites if not s.shared and not s.writes),
                 sum(s.actual for s in sites if not s.shared and s.writes),
                 sum(s.requests for s in sites if not s.writes),
                 sum(s.actual for s in shared) / sum(s.least for s in shared) if shared else None)


def least(shape: Shape) -> tuple[int, int]:
    """Sectors that must be read and written at least: every image and filter once, every result once."""
    read = sum(-(-array.nbytes // 32) for array in shape.arrays())
    return read, prod((shape.batch, shape.filters, shape.height // 2, shape.width // 2)) * 4 // 32
