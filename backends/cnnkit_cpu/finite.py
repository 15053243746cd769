"""Whether numbers are finite: what decides whether a kernel may leave out products by zero."""

from __future__ import annotations

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address


def tame(array: np.ndarray) -> bool:
    """Whether all float32 numbers of an array without gaps are finite, and below 1e15 in size."""
    return bool(library.active.cpu_tame(array.size, address(array)))
