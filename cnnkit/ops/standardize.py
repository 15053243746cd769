"""Normalisation by mean and variance over any axes: what group, instance, layer and RMS norm are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import narrow, need_floating, widen

__all__ = ["standardize"]

Array = Any


def _infer(shapes: Sequence, dtypes: Sequence, *, axes: tuple[int, ...], eps: float, center: bool) -> tuple:
    x = tuple(shapes[0])
    need_floating("standardize", dtypes[0])
    if sorted({*axes}) != sorted(axes) or not all(0 <= axis < len(x) for axis in axes):
        raise ValueError(f"standardize needs different axes from 0 to {len(x) - 1}; got {axes}")
    for name, shape in zip(("weight", "bias"), shapes[1:]):
        if shape is not None and (len(shape) > len(x) or broadcast_shape(name, (x, shape)) != x):
            raise ValueError(f"standardize got {name} of shape {tuple(shape)}, which does not stretch to {x}")
    return ((x, dtypes[0]),)


@op(infer=_infer, sums=True, saves={0: (0, 1), 1: (0,)})
def standardize(x: Array, weight: Array | None, bias: Array | None, *, needs: Sequence[bool],
                axes: tuple[int, ...], eps: float, center: bool) -> tuple:
    """(x - mean) / sqrt(var + eps) * weight + bias, mean and variance (of divisor n) over some axes.

    Sums are those of differences to the first value, so that numbers which hardly differ beside their size
    lose no digits; 16-bit numbers are summed in float32.

    Parameters
    ----------
    x : array
        Any shape.
    weight, bias : array or None
        Of shapes that stretch to that of x.
    axes : tuple of int
        What mean and variance are taken over.
    eps : float
        Added to the variance.
    center : bool
        ``False`` takes no mean away: x / sqrt(mean(x**2) + eps).
    """
    xp, dtype = namespace_of(x), x.dtype
    count = math.prod(x.shape[axis] for axis in axes)
    offset, first, rest = widen(x), None, None
    if center and count:
        first = offset[tuple(slice(1) if axis in axes else slice(None) for axis in range(x.ndim))]
        # nothing is taken from 0 where that might overflow
        small = xp.abs(first) <= float(xp.finfo(offset.dtype).max) / 2**32
        first = xp.where(small, first, xp.zeros_like(first))
        offset = offset - first
        rest = xp.mean(offset, axis=axes, keepdims=True)
        offset = offset - rest
    if count:
        rstd = 1 / xp.sqrt(xp.mean(offset * offset, axis=axes, keepdims=True) + eps)
    else:
        rstd = xp.sum(offset, axis=axes, keepdims=True)
    y = offset * rstd
    if weight is not None:
        y = y * widen(weight)
    if bias is not None:
        y = y + widen(bias)
    y = xp.astype(y, dtype, copy=False)
    if not any(needs):
        return y, None
    del offset

    def backward(dy: Array) -> tuple:
        dx = dweight = dbias = None
        if needs[2]:
            dbias = unbroadcast(dy, bias)
        if needs[0] or needs[1]:
            dy, normalized = widen(dy), widen(x)
            if first is not None:
                normalized = normalized - first - rest
            normalized = normalized * rstd
            if needs[1]:
                dweight = unbroadcast(dy * normalized, weight)
        if needs[0]:
            slope = dy if weight is None else dy * widen(weight)
            if count:
                dx = slope - normalized * xp.mean(slope * normalized, axis=axes, keepdims=True)
                if center:
                    dx = dx - xp.mean(slope, axis=axes, keepdims=True)
                dx = narrow(dx * rstd, dtype)
            else:
                dx = narrow(slope, dtype)
        return dx, dweight, dbias
    return y, backward
