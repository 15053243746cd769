"""Flattening of images whose channels lie last in memory: NumPy copies them number by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit_cpu.layout import is_channels_last
from cnnkit_cpu.memory import FLOAT, packed


def reshape(x: np.ndarray, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """The same elements, in C order, with another shape; where memory allows a view, NumPy's."""
    before = x.shape
    if x.dtype == FLOAT and is_channels_last(x) and len(shape) == 2 and shape[0] == before[0]:
        x = packed(x)
    return x.reshape(shape), (lambda dy: (dy.reshape(before),)) if needs[0] else None
