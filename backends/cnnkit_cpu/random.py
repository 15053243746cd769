"""Threefry's bits, and dropout drawn from them on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

INT32 = np.dtype(np.int32)


def random_bits(key: tuple[int, int], shape: tuple[int, ...], device: Any = None) -> np.ndarray:
    """The kernel of `cnnkit.random.bits`: bit for bit what the generic version gives."""
    bits = empty(shape, INT32)
    library.active.random_bits(library.threads, *key, math.prod(shape), address(bits))
    return bits


def dropout(x: np.ndarray, *, needs: Sequence[bool], p: float, key: tuple[int, int]) -> tuple:
    """The op of the same name. Draws are not kept: the gradient draws them again."""
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")
    owner, shape, limit = library.active, x.shape, round(float(1 - p) * 2**24)
    scale = 1 / (1 - p) if p < 1 else 0.0

    def dropped(values: np.ndarray) -> np.ndarray:
        values, kept = packed(values), empty(shape)
        owner.dropout(library.threads, *key, values.size, limit, scale, address(values), address(kept))
        return kept
    return dropped(x), (lambda dy: (dropped(dy),)) if needs[0] else None
