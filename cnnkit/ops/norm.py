"""Batch normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import need_floating, widen

Array = Any


def _infer(shapes: Sequence, dtypes: Sequence, *, training: bool, momentum: float, eps: float) -> tuple:
    x = shapes[0]
    need_floating("batch_norm", dtypes[0])
    if len(x) < 2:
        raise ValueError(f"batch_norm got an input of shape {tuple(x)}; it needs (N, C) or (N, C, H, W)")
    C = x[1]
    for name, shape in zip(("weight", "bias", "running_mean", "running_var"), shapes[1:]):
        if shape is not None and (len(shape) != 1 or shape[0] != C):
            raise ValueError(f"batch_norm got an input of shape {tuple(x)}, that is {C} channels, "
                             f"and {name} of shape {tuple(shape)}; it needs ({C},)")
    if training:
        if math.prod(x) == C:
            raise ValueError("Expected more than 1 value per channel when training, got input size "
                             f"{tuple(x)}; use a larger batch (drop_last=True in the loader), or eval()")
        if shapes[3] is not None and shapes[4] is not None:
            return (x, dtypes[0]), (shapes[3], dtypes[3]), (shapes[4], dtypes[4])
    if (shapes[3] is None) != (shapes[4] is None) or (shapes[3] is None and not training):
        raise ValueError("batch_norm needs running_mean and running_var, "
                         "or neither of them and training=True")
    return (x, dtypes[0]), None, None


@op(infer=_infer, outputs=3, differentiable=1, state={1: 3, 2: 4}, role="norm", sums=True,
    saves={0: (0, 1), 1: (0, 1), 2: (0, 1)})
def batch_norm(x: Array, weight: Array | None, bias: Array | None,
               running_mean: Array | None, running_var: Array | None, *,
               needs: Sequence[bool], training: bool, momentum: float, eps: float) -> tuple:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel (axis 1) (Ioffe and Szegedy 2015).

    With `training`, mean and variance are those of the batch (of divisor n), and outputs 1 and 2 are the
    running statistics moved towards them by `momentum` (with divisor n - 1, as PyTorch); without, they are
    the running ones, and outputs 1 and 2 are ``None``. An empty batch leaves the running statistics as they
    are. float16 is accumulated in float32.

    Sums are those of differences to a channel's first value, and the batch's mean is kept as that value and
    the rest: numbers that hardly differ beside their size lose no digits, and those of a constant channel
    have variance 0.
    """
    xp, dtype, C = namespace_of(x), x.dtype, x.shape[1]
    axes = (0, *range(2, x.ndim))
    count = math.prod(x.shape) // C if C else 0
    per_channel = (1, C) + (1,) * (x.ndim - 2)
    new_mean, new_var = (running_mean, running_var) if training else (None, None)
    widened = widen(x)
    if training and count:
        first = widened[(slice(1), slice(None), *(slice(1),) * (x.ndim - 2))]
        # nothing is taken from 0 where that might overflow
        small = xp.abs(first) <= float(xp.finfo(widened.dtype).max) / 2**32
        center = xp.where(small, first, xp.zeros_like(first))
        offset = widened - center
        rest = xp.mean(offset, axis=axes, keepdims=True)
        offset = offset - rest
        mean, var = center + rest, xp.mean(offset * offset, axis=axes, keepdims=True)
        if running_mean is not None:
            new_mean = _moving_average(running_mean, xp.reshape(mean, (C,)), momentum)
            new_var = _moving_average(running_var, xp.reshape(var, (C,)) * (count / (count - 1)), momentum)
    elif training:
        mean, var = (make(per_channel, dtype=widened.dtype, device=getattr(x, "device", None))
                     for make in (xp.zeros, xp.ones))
        center, offset = mean, widened
    else:
        mean, var = (xp.reshape(widen(running), per_channel) for running in (running_mean, running_var))
        center, offset = mean, widened - mean
    rstd = 1 / xp.sqrt(var + eps)
    scale = rstd if weight is None else rstd * xp.reshape(widen(weight), per_channel)
    y = offset * scale
    if bias is not None:
        y = y + xp.reshape(widen(bias), per_channel)
    y = xp.astype(y, dtype, copy=False)
    if not any(needs):
        return (y, new_mean, new_var), None
    del offset

    def backward(dy: Array, *_: None) -> tuple:
        dy = widen(dy)
        dx = dweight = dbias = None
        through_statistics = training and count
        if through_statistics or needs[1]:
            offset = widen(x) - center
            normalized = (offset - rest if through_statistics else offset) * rstd
            weighted_total = xp.sum(dy * normalized, axis=axes, keepdims=True)
        if through_statistics or needs[2]:
            total = xp.sum(dy, axis=axes, keepdims=True)
        if needs[0]:
            centered = dy
            if through_statistics:
                centered = dy - total / count - normalized * (weighted_total / count)
            dx = xp.astype(centered * scale, dtype, copy=False)
        if needs[1]:
            dweight = xp.reshape(weighted_total, (C,))
            dweight = xp.astype(dweight, weight.dtype, copy=False)  # type: ignore[union-attr]
        if needs[2]:
            dbias = xp.astype(xp.reshape(total, (C,)), bias.dtype, copy=False)  # type: ignore[union-attr]
        return dx, dweight, dbias, None, None
    return (y, new_mean, new_var), backward


def _moving_average(running: Array, batch: Array, momentum: float) -> Array:
    """The running statistic, moved towards the batch's by `momentum`."""
    xp = namespace_of(running)
    return running * (1 - momentum) + xp.astype(batch, running.dtype, copy=False) * momentum
