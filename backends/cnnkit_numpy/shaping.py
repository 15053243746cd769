"""NumPy's reshaping, by the method: ``numpy.reshape`` takes six times as long to come to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def reshape(x: np.ndarray, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """The same elements, in C order, with another shape."""
    before = x.shape
    return x.reshape(shape), (lambda dy: (dy.reshape(before),)) if needs[0] else None
