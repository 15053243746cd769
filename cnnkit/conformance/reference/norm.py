"""Normalisation by loops: the ground truth for `batch_norm` and `standardize`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["batch_norm", "batch_norm_gradients", "standardize", "standardize_gradients"]

Array = np.ndarray


def places(x: Array, c: int) -> list[tuple[Any, ...]]:
    """The indices of one channel: over the batch and every axis after the channel's."""
    return [index for index in np.ndindex(x.shape) if index[1] == c]


def channel(x: Array, c: int) -> list[float]:
    """All values of one channel."""
    return [float(x[index]) for index in places(x, c)]


def deviations(values: list[float]) -> tuple[float, list[float]]:
    """The mean, and each value less the mean, without a rounding before the last: by fractions."""
    mean = sum(map(Fraction, values)) / len(values)
    return float(mean), [float(Fraction(v) - mean) for v in values]


def variance(offsets: list[float]) -> float:
    """The mean of squared deviations."""
    return math.fsum(o * o for o in offsets) / len(offsets)


def batch_norm(x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
               running_var: Array | None, *, training: bool, momentum: float, eps: float) -> tuple[Any, ...]:
    """(x - mean) / sqrt(var + eps) * weight + bias, and the running statistics after this batch.

    In training, mean and variance are the batch's, and each running statistic moves by ``momentum`` of the
    way to the batch's; the variance that it moves to is the unbiased one (Ioffe and Szegedy 2015, algorithm
    2). Else mean and variance are the running ones, and there are no new ones.
    """
    y = np.zeros(x.shape)
    new_mean = np.array(running_mean) if training and running_mean is not None else None
    new_var = np.array(running_var) if training and running_var is not None else None
    for c in range(x.shape[1]):
        values = channel(x, c)
        if not values:
            continue  # an empty batch has nothing to normalise, and leaves the running statistics as they are
        if training:
            mean, offsets = deviations(values)
            var = variance(offsets)
            if new_mean is not None:
                new_mean[c] += momentum * (mean - new_mean[c])
            if new_var is not None:
                new_var[c] += momentum * (var * len(values) / (len(values) - 1) - new_var[c])
        else:
            var = running_var[c]  # type: ignore[index]
            offsets = [v - running_mean[c] for v in values]  # type: ignore[index]
        for index, offset in zip(places(x, c), offsets):
            normal = offset / math.sqrt(var + eps)
            y[index] = normal * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y, new_mean, new_var


def batch_norm_gradients(dy: Array, x: Array, weight: Array | None, bias: Array | None,
                         running_mean: Array | None, running_var: Array | None, *, training: bool,
                         momentum: float, eps: float) -> tuple[Any, ...]:
    """With z the normalised x: db = sum dy, dw = sum dy z, dx by the chain rule through mean and variance.

    dx[i] = weight / sqrt(var + eps) * (dy[i] - mean(dy) - z[i] mean(dy z)) with the batch's statistics
    (Ioffe and Szegedy 2015, section 3), and weight / sqrt(var + eps) * dy[i] with the running ones, which do
    not depend on x.
    """
    dx, C = np.zeros(x.shape), x.shape[1]
    dw, db = np.zeros(C), np.zeros(C)
    for c in range(C):
        values, dys = channel(x, c), channel(dy, c)
        if not values:
            continue
        if training:
            _, offsets = deviations(values)
            var = variance(offsets)
        else:
            var = running_var[c]  # type: ignore[index]
            offsets = [v - running_mean[c] for v in values]  # type: ignore[index]
        scale = 1 / math.sqrt(var + eps)
        zs = [offset * scale for offset in offsets]
        db[c] = sum(dys)
        dw[c] = sum(d * z for d, z in zip(dys, zs))
        for n, index in enumerate(places(x, c)):
            slope = dys[n]
            if training:
                slope -= db[c] / len(values) + zs[n] * dw[c] / len(values)
            dx[index] = slope * scale * (1 if weight is None else weight[c])
    return dx, None if weight is None else dw, None if bias is None else db, None, None


def members(x: Array, axes: tuple[int, ...]) -> list[list[tuple[Any, ...]]]:
    """The indices of the numbers that are normalised together: one list for each place along other axes."""
    groups: dict[tuple, list[tuple]] = {}
    for index in np.ndindex(x.shape):
        groups.setdefault(tuple(i for axis, i in enumerate(index) if axis not in axes), []).append(index)
    return list(groups.values())


def stretched(value: Array | None, shape: tuple[int, ...], default: float) -> Array:
    """A weight or bias in the shape of x."""
    return np.broadcast_to(default if value is None else value, shape)


def standardize(x: Array, weight: Array | None, bias: Array | None, *, axes: tuple[int, ...], eps: float,
                center: bool) -> Array:
    """(x - mean) / sqrt(var + eps) * weight + bias over some axes; without `center` the mean counts as 0."""
    y, scale, shift = np.zeros(x.shape), stretched(weight, x.shape, 1), stretched(bias, x.shape, 0)
    for group in members(x, axes):
        values = [float(x[index]) for index in group]
        offsets = deviations(values)[1] if center else values
        for index, offset in zip(group, offsets):
            y[index] = offset / math.sqrt(variance(offsets) + eps) * scale[index] + shift[index]
    return y


def standardize_gradients(dy: Array, x: Array, weight: Array | None, bias: Array | None, *,
                          axes: tuple[int, ...], eps: float, center: bool) -> tuple[Any, ...]:
    """With z the normalised x and s = dy weight: dx = (s - mean(s) - z mean(s z)) / sqrt(var + eps)."""
    dx, dw, db = np.zeros(x.shape), np.zeros(x.shape), np.array(dy, dtype=float)
    scale = stretched(weight, x.shape, 1)
    for group in members(x, axes):
        values = [float(x[index]) for index in group]
        offsets = deviations(values)[1] if center else values
        rstd = 1 / math.sqrt(variance(offsets) + eps)
        slopes, zs = [dy[i] * scale[i] for i in group], [offset * rstd for offset in offsets]
        along = sum(s * z for s, z in zip(slopes, zs)) / len(group)
        mean = sum(slopes) / len(group) if center else 0.0
        for index, slope, z in zip(group, slopes, zs):
            dx[index] = rstd * (slope - mean - z * along)
            dw[index] = dy[index] * z
    return dx, gathered(dw, weight), gathered(db, bias)


def gathered(d: Array, value: Array | None) -> Array | None:
    """The sum of a gradient over the axes along which `value` was stretched."""
    if value is None:
        return None
    total = np.zeros(value.shape)
    for index in np.ndindex(d.shape):
        aligned = index[d.ndim - value.ndim:]
        total[tuple(0 if n == 1 else i for i, n in zip(aligned, value.shape))] += d[index]
    return total
