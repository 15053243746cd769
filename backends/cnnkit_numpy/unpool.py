"""NumPy's max unpooling: numbers are assigned to their places."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np


def max_unpool(x: np.ndarray, index: np.ndarray, *, needs: Sequence[bool], size: tuple[int, ...]) -> tuple:
    """The op of the same name."""
    planes = prod(x.shape[:2])
    places = index.reshape(planes, prod(x.shape[2:])) + np.arange(planes)[:, None] * prod(size)
    y = np.zeros((*x.shape[:2], *size), x.dtype)
    y.reshape(-1)[places.reshape(-1)] = x.reshape(-1)  # of equal places the last is assigned

    def backward(dy: np.ndarray) -> tuple:
        return dy.reshape(-1)[places].reshape(x.shape), None
    return y, backward if needs[0] else None
