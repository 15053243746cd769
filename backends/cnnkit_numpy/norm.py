"""NumPy's batch normalisation: sums by matrix-vector products, arithmetic in place.

Arrays are seen as `rows`, (N H W, C), where the channels lie last in memory, and as `planes`, (N, C, H W),
otherwise; the result is laid out as the input.

Sums are those of differences to a center near each channel's mean. What the mean is beyond it, `rest`, is
taken from the differences, or where these are many, and nothing is infinite or NaN, from their sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cnnkit.backends import decline
from cnnkit_numpy.finite import finite

SAMPLES = 64  # of each channel, for a number near its mean
LARGE = 1 << 15  # numbers from which on what is saved by reading them once less is more than it costs


def batch_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
               running_mean: np.ndarray | None, running_var: np.ndarray | None, *, needs: Sequence[bool],
               training: bool, momentum: float, eps: float) -> tuple:
    """The op of the same name."""
    if x.size == 0 or x.itemsize == 2:
        return decline(f"{x.dtype} of shape {x.shape}; it serves 4 or 8 bytes an element, and no empty array")
    flatten, column, total, dot, some = (_rows if np.moveaxis(x, 1, -1).flags.c_contiguous else _planes)(x)
    flat, count = flatten(x), x.size // x.shape[1]
    new_mean = new_var = rest = None
    large = x.size >= LARGE
    if training:
        center = _center(some(flat))
        y = flat - center.reshape(column)
        rest = total(y) / count
        if large:
            var = np.maximum(dot(y, y) / count - rest * rest, 0)
            large = finite(var)
        if not large:
            y -= rest.reshape(column)
            var = dot(y, y) / count
        if running_mean is not None and running_var is not None:
            new_mean = (running_mean * (1 - momentum)
                        + (center + rest) * momentum).astype(running_mean.dtype, copy=False)
            new_var = (running_var * (1 - momentum) + var * (momentum * count / (count - 1))).astype(
                running_var.dtype, copy=False)
    else:
        center = running_mean.astype(x.dtype, copy=False)  # type: ignore[union-attr]
        var = running_var.astype(x.dtype, copy=False)  # type: ignore[union-attr]
        y = flat - center.reshape(column)
    rstd = 1 / np.sqrt(var + eps)
    scale = rstd if weight is None else rstd * weight.astype(x.dtype, copy=False)
    shift = None if bias is None else bias.astype(x.dtype, copy=False)
    if rest is not None and large:
        less = rest * scale
        if finite(less):
            shift = -less if shift is None else shift - less
        else:
            y -= rest.reshape(column)
    y *= scale.reshape(column)
    if shift is not None:
        y += shift.reshape(column)
    outputs = (_shaped(y, x), new_mean, new_var)
    if True not in needs:
        return outputs, None

    def backward(dy: np.ndarray, *_: None) -> tuple:
        dy, beyond = flatten(dy), rest if large else None
        dx = dweight = dbias = None
        if needs[2] or training:
            dbias = total(dy)
        if needs[1] or training:
            offset = flat - center.reshape(column)
            if rest is not None and not large:
                offset -= rest.reshape(column)
            along = dot(dy, offset)
            if beyond is not None:
                along -= beyond * dbias
            dweight, slope = along * rstd, along * (rstd * rstd / count)
            if beyond is not None and not finite(dweight):
                offset -= beyond.reshape(column)
                offset *= rstd.reshape(column)
                beyond, dweight = None, dot(dy, offset)
                slope = dweight / count
        if needs[0] and training:  # dx = scale * (dy - sum(dy) / n - normal * sum(dy * normal) / n)
            less = dbias / count if beyond is None else dbias / count - beyond * slope
            dx = np.multiply(offset, slope.reshape(column), out=offset)
            dx += less.reshape(column)
            np.subtract(dy, dx, out=dx)
            dx *= scale.reshape(column)
        elif needs[0]:
            dx = dy * scale.reshape(column)
        return (None if dx is None else _shaped(dx, x),
                dweight.astype(weight.dtype, copy=False) if needs[1] else None,  # type: ignore[union-attr]
                dbias.astype(bias.dtype, copy=False) if needs[2] else None,  # type: ignore[union-attr]
                None, None)
    return outputs, backward


def _center(some: np.ndarray) -> np.ndarray:
    """A number near each channel's mean, of (samples, C): that of a constant channel is its constant.

    It is 0 where nothing may be taken from large numbers, because that might overflow.
    """
    center = some[0]
    if len(some) > 1:
        center = center + np.add.reduce(some - center, 0) / len(some)
    if finite(center):
        return center
    return np.where(np.abs(center) <= np.finfo(center.dtype).max / 2**32, center, 0)


def _shaped(flat: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rows or planes back in the shape of `like`."""
    if flat.ndim == 2:
        return np.moveaxis(flat.reshape(like.shape[0], *like.shape[2:], like.shape[1]), -1, 1)
    return flat.reshape(like.shape)


def _rows(x: np.ndarray) -> tuple[Callable, tuple[int, ...], Callable, Callable, Callable]:
    """How to treat an array as rows.

    A function to rows, the shape of a value for each channel, sums over all but the channels (a function of
    one array, and one of the product of two), and a function that takes some values of each channel.
    """
    count, C = x.size // x.shape[1], x.shape[1]
    step = -(-count // SAMPLES) if x.size >= LARGE else count
    ones = np.ones(count, x.dtype)
    return (lambda a: np.moveaxis(a, 1, -1).reshape(count, C), (C,), lambda a: ones @ a,
            lambda a, b: ones @ (a * b), lambda a: a[::step])


def _planes(x: np.ndarray) -> tuple[Callable, tuple[int, ...], Callable, Callable, Callable]:
    (N, C), size = x.shape[:2], math.prod(x.shape[2:])
    ones = np.ones(size, x.dtype)

    def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if size >= 64:
            return np.add.reduce(np.vecdot(a, b), 0)
        return np.einsum("ncl,ncl->c", a, b)

    def some(a: np.ndarray) -> np.ndarray:
        if x.size < LARGE:
            return a[:1, :, 0]
        values = a[::-(-N // 8), :, ::-(-size // 8)]
        return values.transpose(0, 2, 1).reshape(-1, C)
    return (lambda a: a.reshape(N, C, size), (C, 1),
            lambda a: np.add.reduce((a.reshape(N * C, size) @ ones).reshape(N, C), 0), dot, some)
