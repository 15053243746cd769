"""Random bits: their cases, and the check that a table's ``random_bits`` kernel must pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnkit import random
from cnnkit.conformance.reference.activation import threefry
from cnnkit.conformance.target import Target

__all__ = ["DRAW_CASES", "DRAW_CHECKS", "DrawCase"]


@dataclass(frozen=True, eq=False)
class DrawCase:
    """One draw from a key."""

    name: str
    key: tuple[int, int]
    shape: tuple[int, ...]
    op: str = "random_bits"

    @property
    def ops(self) -> tuple[str, ...]:
        """The kernel that is asked."""
        return (self.op,)

    @property
    def id(self) -> str:
        """What reports call it."""
        return f"{self.op}-{self.name}"

    def __repr__(self) -> str:
        return f"<case {self.id}>"


DRAW_CASES = (DrawCase("scalar", (1, 2), ()), DrawCase("none", (1, 2), (0, 3)), DrawCase("odd-count", (0, 2**32 - 1), (7,)),
              DrawCase("map", (2**31, 5), (2, 3, 5)), DrawCase("some-hundred", (0x13198A2E, 0x03707344), (301,)))


def check_bits(case: DrawCase, target: Target) -> None:
    """Every bit is Threefry's: word i % 2 of counter i // 2; uniform and Bernoulli draws are their top 24 bits."""
    count = math.prod(case.shape)
    words = np.array([threefry(case.key, i // 2)[i % 2] for i in range(count)], dtype=np.uint32).reshape(case.shape)
    got = target.to_numpy(random.bits(case.key, case.shape, backend=target.backend))
    assert got.shape == case.shape, f"the shape is {got.shape}, and must be {case.shape}"
    assert got.dtype == np.int32, f"the dtype is {got.dtype}, and must be int32"
    assert (got.view(np.uint32) == words).all(), "the bits are not Threefry's"
    uniform = target.to_numpy(random.uniform(case.key, case.shape, "float32", backend=target.backend))
    assert (uniform == (words >> 8) * 2.0**-24).all(), "uniform draws are not the top 24 bits times 2^-24"
    kept = target.to_numpy(random.bernoulli(case.key, 0.3, case.shape, backend=target.backend))
    assert (kept == (words >> 8 < round(0.3 * 2**24))).all(), "Bernoulli draws do not compare the top 24 bits"


DRAW_CHECKS = (check_bits,)
