"""NumPy's look-ups: ``numpy.add.at`` is fast where both arrays are flat; see `cnnkit.ops.gathering`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.gathering import take

BLOCK = 1 << 18  # numbers whose places are written down at a time


def scatter_add(dy: np.ndarray, index: np.ndarray, *, needs: Sequence[bool], axis: int, size: int) -> tuple:
    """The sums of the slices that share a position, added up in their order."""
    if dy.dtype not in (np.float32, np.float64):
        return decline(f"{dy.dtype}; it serves float32 and float64")
    axis %= dy.ndim
    B, D = prod(dy.shape[:axis]), prod(dy.shape[axis + 1:])
    y = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1:]), dy.dtype)
    flat, rows = y.reshape(-1), dy.reshape(B * len(index), D)
    begins = ((np.arange(B)[:, None] * size + index) * D).reshape(-1)
    step = max(1, BLOCK // max(1, D))
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN, as in PyTorch, without a warning
        for start in range(0, len(rows), step):
            places = begins[start:start + step, None] + np.arange(D)
            np.add.at(flat, places.reshape(-1), rows[start:start + step].reshape(-1))
    return y, (lambda d: (take(d, index, axis=axis)[0][0], None)) if needs[0] else None
