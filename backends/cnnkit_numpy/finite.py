"""Whether numbers are finite: what decides whether a kernel may multiply by zeros that no result sees."""

from __future__ import annotations

import math

import numpy as np


def finite(values: np.ndarray) -> bool:
    """Whether all numbers are finite, and so is their sum.

    >>> finite(np.ones(3)), finite(np.array([1.0, np.inf, -np.inf]))
    (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(np.add.reduce(values, None))
