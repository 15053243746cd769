"""Batch normalisation by loops: the ground truth for `batch_norm`."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["batch_norm", "batch_norm_gradients"]

Array = np.ndarray


def channel(x: Array, c: int) -> list[float]:
    """All values of one channel: over the batch and every axis after the channel's."""
    return [float(x[at]) for at in np.ndindex(x.shape) if at[1] == c]


def moments(values: list[float]) -> tuple[float, float]:
    """Mean, and variance as the mean of squared deviations."""
    mean = sum(values) / len(values)
    return mean, sum((v - mean) ** 2 for v in values) / len(values)


def batch_norm(x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
               running_var: Array | None, *, training: bool, momentum: float, eps: float) -> tuple:
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
            mean, var = moments(values)
            if new_mean is not None:
                new_mean[c] += momentum * (mean - new_mean[c])
            if new_var is not None:
                new_var[c] += momentum * (var * len(values) / (len(values) - 1) - new_var[c])
        else:
            mean, var = running_mean[c], running_var[c]  # type: ignore[index]
        for at in np.ndindex(x.shape):
            if at[1] == c:
                normal = (x[at] - mean) / math.sqrt(var + eps)
                y[at] = normal * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y, new_mean, new_var


def batch_norm_gradients(dy: Array, x: Array, weight: Array | None,
                         bias: Array | None, running_mean: Array | None,
                         running_var: Array | None, *, training: bool, momentum: float, eps: float) -> tuple:
    """With z the normalised x: db = sum dy, dw = sum dy z, and dx from the chain rule through
    mean and variance.

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
        mean, var = moments(values) if training else (running_mean[c], running_var[c])  # type: ignore[index]
        scale = 1 / math.sqrt(var + eps)
        zs = [(v - mean) * scale for v in values]
        db[c] = sum(dys)
        dw[c] = sum(d * z for d, z in zip(dys, zs))
        for n, at in enumerate([at for at in np.ndindex(x.shape) if at[1] == c]):
            slope = dys[n]
            if training:
                slope -= db[c] / len(values) + zs[n] * dw[c] / len(values)
            dx[at] = slope * scale * (1 if weight is None else weight[c])
    return dx, None if weight is None else dw, None if bias is None else db, None, None
