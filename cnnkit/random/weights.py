"""Draws for initial weights that NumPy makes in float64: truncated normals and orthogonal matrices."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from cnnkit.backends import Array
from cnnkit.random.cipher import Key
from cnnkit.random.draws import Shape, as_shape
from cnnkit.random.host import _deliver, _host_uniform, normal

__all__ = ["orthogonal", "truncated_normal"]


def truncated_normal(key: Key, shape: Shape, mean: float, std: float, low: float, high: float,
                     dtype: Any = "float32", *, like: Array | None = None) -> Array:
    """Normal draws between two bounds: the inverse of the distribution at uniform draws, one for each.

    >>> from cnnkit.random import key
    >>> truncated_normal(key(0), 3, 0.0, 1.0, -0.5, 0.5, "float64").round(3)
    array([-0.078,  0.097, -0.179])
    """
    if not (std > 0 and low < high and math.isfinite(mean)):
        raise ValueError("truncated_normal needs a finite mean, std > 0 and low < high; "
                         f"got mean={mean!r}, std={std!r}, low={low!r}, high={high!r}")
    sizes = as_shape(shape)
    uniform = _host_uniform(key, math.prod(sizes))
    first, last = (low - mean) / std, (high - mean) / std
    mirrored = first > 0  # the lower tail has more digits
    if mirrored:
        first, last = -last, -first
    below, above = (math.erfc(-bound / math.sqrt(2)) / 2 for bound in (first, last))
    inverse = NormalDist().inv_cdf
    smallest = np.finfo(np.float64).tiny
    parts = np.clip(below + (above - below) * uniform, smallest, 1 - 2.0**-53)
    values = np.array([inverse(part) for part in parts.tolist()], np.float64)
    values = np.clip((-values if mirrored else values) * std + mean, low, high)
    return _deliver(values.reshape(sizes), dtype, None, None, like)


def orthogonal(key: Key, rows: int, columns: int, gain: float = 1.0, dtype: Any = "float32", *,
               like: Array | None = None) -> Array:
    """A matrix with orthogonal rows, or columns where there are more rows (Saxe, McClelland, Ganguli 2014).

    >>> from cnnkit.random import key
    >>> matrix = orthogonal(key(0), 2, 3, dtype="float64")
    >>> (matrix @ matrix.T).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    drawn = np.asarray(normal(key, (max(rows, columns), min(rows, columns)), dtype="float64",
                              like=np.empty(0)))
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # uniform over all of them (Mezzadri 2007)
    return _deliver((q.T if rows < columns else q) * gain, dtype, None, None, like)
