"""NumPy's batch normalisation: sums by matrix-vector products, arithmetic in place.

Arrays are seen as `rows`, (N H W, C), where the channels lie last in memory, and as `planes`, (N, C, H W),
otherwise; the result is laid out as the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnkit.backends import decline


def batch_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
               running_mean: np.ndarray | None, running_var: np.ndarray | None, *, needs: Sequence[bool],
               training: bool, momentum: float, eps: float) -> tuple:
    """The op of the same name; mean and variance in two passes."""
    if x.size == 0 or x.itemsize == 2:
        return decline(f"{x.dtype} of shape {x.shape}; it serves 4 or 8 bytes an element, and no empty array")
    flatten, column, total, dot = _rows(x) if np.moveaxis(x, 1, -1).flags.c_contiguous else _planes(x)
    flat, count = flatten(x), x.size // x.shape[1]
    new_mean = new_var = None
    if training:
        mean = total(flat) / count
        y = flat - mean.reshape(column)
        var = dot(y, y) / count
        if running_mean is not None and running_var is not None:
            new_mean = (running_mean * (1 - momentum)
                        + mean * momentum).astype(running_mean.dtype, copy=False)
            new_var = (running_var * (1 - momentum) + var * (momentum * count / (count - 1))).astype(
                running_var.dtype, copy=False)
    else:
        mean, var = running_mean.astype(x.dtype, copy=False), running_var.astype(x.dtype, copy=False)  # type: ignore[union-attr]
        y = flat - mean.reshape(column)
    rstd = 1 / np.sqrt(var + eps)
    scale = rstd if weight is None else rstd * weight.astype(x.dtype, copy=False)
    y *= scale.reshape(column)
    if bias is not None:
        y += bias.astype(x.dtype, copy=False).reshape(column)
    outputs = (_shaped(y, x), new_mean, new_var)
    if True not in needs:
        return outputs, None

    def backward(dy: np.ndarray, *_: None) -> tuple:
        dy = flatten(dy)
        dx = dweight = dbias = None
        if needs[2] or training:
            dbias = total(dy)
        if needs[1] or training:
            offset = flat - mean.reshape(column)
            dweight = dot(dy, offset) * rstd
        if needs[0]:
            dx = dy * scale.reshape(column)
            if training:  # dx = scale * (dy - sum(dy) / n - normal * sum(dy * normal) / n)
                offset *= (scale * rstd * dweight / -count).reshape(column)
                offset -= (scale * dbias / count).reshape(column)
                dx += offset
            dx = _shaped(dx, x)
        return (dx, dweight.astype(weight.dtype, copy=False) if needs[1] else None,  # type: ignore[union-attr]
                dbias.astype(bias.dtype, copy=False) if needs[2] else None, None, None)  # type: ignore[union-attr]
    return outputs, backward


def _shaped(flat: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rows or planes back in the shape of `like`."""
    if flat.ndim == 2:
        return np.moveaxis(flat.reshape(like.shape[0], *like.shape[2:], like.shape[1]), -1, 1)
    return flat.reshape(like.shape)


def _rows(x: np.ndarray) -> tuple[Callable, tuple[int, ...], Callable, Callable]:
    """How to treat an array as rows.

    A function to rows, the shape of a value for each channel, and sums over all but the channels: a function
    of one array, and one of the product of two.
    """
    count, C = x.size // x.shape[1], x.shape[1]
    ones = np.ones(count, x.dtype)
    return (lambda a: np.moveaxis(a, 1, -1).reshape(count, C), (C,), lambda a: ones @ a,
            lambda a, b: ones @ (a * b))


def _planes(x: np.ndarray) -> tuple[Callable, tuple[int, ...], Callable, Callable]:
    (N, C), size = x.shape[:2], math.prod(x.shape[2:])
    ones = np.ones(size, x.dtype)

    def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if size >= 64:
            return np.add.reduce(np.vecdot(a, b), 0)
        return np.einsum("ncl,ncl->c", a, b)
    return (lambda a: a.reshape(N, C, size), (C, 1),
            lambda a: np.add.reduce((a.reshape(N * C, size) @ ones).reshape(N, C), 0), dot)
