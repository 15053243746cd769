"""NumPy's dense layer: one GEMM forward, one for each gradient, whatever the number of leading axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit.backends import decline


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool]) -> tuple:
    """x @ weight.T + bias."""
    if x.itemsize == 2 or x.ndim == 1:  # NumPy has no GEMM for float16
        return decline(f"{x.dtype} of shape {x.shape}; it serves matrices of 4 or 8 bytes an element")
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1]) if x.shape[-1] else None
    if rows is None:
        return decline(f"an input of shape {x.shape} has no features")
    y = rows @ weight.T
    if bias is not None:
        y += bias
    if True not in needs:
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(weight)), None

    def backward(dy: np.ndarray) -> tuple:
        if dy.ndim != 2:
            dy = dy.reshape(len(rows), len(weight))
        dx = dy @ weight if needs[0] else None
        if dx is not None and x.ndim != 2:
            dx = dx.reshape(x.shape)
        return dx, dy.T @ rows if needs[1] else None, np.add.reduce(dy, 0) if needs[2] else None
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(weight)), backward
