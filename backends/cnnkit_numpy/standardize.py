"""NumPy's normalisation over the last axes: sums of rows by products with ones, arithmetic in place."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.broadcasting import unbroadcast


def standardize(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, *, needs: Sequence[bool],
                axes: tuple[int, ...], eps: float, center: bool) -> tuple:
    """The op of the same name."""
    if x.itemsize < 4 or not x.size or any(a is not None and a.dtype != x.dtype for a in (weight, bias)):
        return decline(f"{x.dtype} of shape {x.shape}; it serves 4 or 8 bytes an element, and no empty array")
    start = x.ndim - len(axes)
    if sorted(axes) != list(range(start, x.ndim)):
        return decline(f"axes {axes}; it serves the last ones")
    count = prod(x.shape[start:])
    rows, ones = x.reshape(-1, count), np.ones(count, x.dtype)
    first: np.ndarray | float = rows[:, :1] if center else 0.0
    if center and not (np.abs(first) <= np.finfo(x.dtype).max / 2**32).all():
        return decline("numbers whose differences might overflow")

    def mean(a: np.ndarray) -> np.ndarray:
        return (a @ ones / count)[:, None]
    y = np.subtract(rows, first)
    rest: np.ndarray | float = mean(y) if center else 0.0
    if center:
        y -= rest
    rstd = 1 / np.sqrt(np.vecdot(y, y)[:, None] / count + np.asarray(eps, x.dtype))
    y *= rstd
    y = y.reshape(x.shape)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    if True not in needs:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        dx = dweight = None
        dbias = unbroadcast(dy, bias) if needs[2] else None
        if needs[0] or needs[1]:
            normal = np.subtract(rows, first)
            if center:
                normal -= rest
            normal *= rstd
        if needs[1]:
            dweight = unbroadcast(dy * normal.reshape(x.shape), weight)
        if needs[0]:  # dx = (slope - mean(slope) - normal * mean(slope * normal)) * rstd
            slope = (dy if weight is None else dy * weight).reshape(rows.shape)
            normal *= np.vecdot(slope, normal)[:, None] / count
            if center:
                normal += mean(slope)
            dx = np.subtract(slope, normal, out=normal)
            dx *= rstd
            dx = dx.reshape(x.shape)
        return dx, dweight, dbias
    return y, backward
