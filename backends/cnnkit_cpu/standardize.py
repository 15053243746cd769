"""Normalisation over the last axes by the loops of batch norm, for which a row of numbers is a channel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.broadcasting import unbroadcast
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def standardize(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, *, needs: Sequence[bool],
                axes: tuple[int, ...], eps: float, center: bool) -> tuple:
    """The op of the same name."""
    if x.dtype != FLOAT or not x.size or any(a is not None and a.dtype != FLOAT for a in (weight, bias)):
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    start = x.ndim - len(axes)
    if not center or sorted(axes) != list(range(start, x.ndim)):
        return decline("it serves mean and variance over the last axes")
    x = packed(x)
    rows, count = prod(x.shape[:start]), prod(x.shape[start:])
    mean, var = np.empty((2, rows), FLOAT), np.empty(rows, FLOAT)
    library.active.norm_statistics(library.threads, 1, rows, count, *map(address, (x, mean, var)))
    rstd = 1 / np.sqrt(var + FLOAT.type(eps))
    # where weight and bias are constant along the axes from `split` on, they are one number for each part of
    # a row, and become part of the one loop
    split = next((k for k in (start, start + 1)
                  if 0 < k < x.ndim and all(constant_from(a, k, x.ndim) for a in (weight, bias))), 0)
    parts = x.shape[start] if split > start else 1
    part_mean, part_rstd = (np.repeat(a, parts, axis=-1) if parts > 1 else a for a in (mean, rstd))
    y, scale, shift = empty(x.shape), part_rstd, None
    if split and weight is not None:
        scale = part_rstd * stretched(weight, x.shape, split)
    if split and bias is not None:
        shift = stretched(bias, x.shape, split)
    planes = (1, rows * parts, count // parts) if split else (1, rows, count)
    if not split:
        part_mean, scale = mean, rstd
    library.active.norm_forward(library.threads, *planes, address(x), address(part_mean), address(scale),
                                None if shift is None else address(shift), False, address(y))
    if not split:
        if weight is not None:
            y *= weight
        if bias is not None:
            y += bias
    if True not in needs:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        dy = packed(dy)
        dx = dweight = dbias = None
        if split and (needs[1] or needs[2]):
            along, total = np.empty(planes[1], FLOAT), np.empty(planes[1], FLOAT)
            library.active.norm_backward(
                library.threads, *planes, *map(address, (x, part_mean, part_rstd, scale)), None, address(dy),
                False, None, address(along), address(total))
            shape = (*x.shape[:split], *(1,) * (x.ndim - split))
            dweight = unbroadcast(along.reshape(shape), weight) if needs[1] else None
            dbias = unbroadcast(total.reshape(shape), bias) if needs[2] else None
        elif needs[1]:
            normal = empty(x.shape)
            library.active.norm_forward(library.threads, 1, rows, count, *map(address, (x, mean, rstd)), None,
                                        False, address(normal))
            normal *= dy
            dweight = unbroadcast(normal, weight)
        if needs[2] and not split:
            dbias = unbroadcast(dy, bias)
        if needs[0]:
            slope = dy if weight is None else np.multiply(dy, weight, out=empty(x.shape))
            dx, unused = empty(x.shape), np.empty((2, rows), FLOAT)
            library.active.norm_backward(
                library.threads, 1, rows, count, *map(address, (x, mean, rstd, rstd)), None, address(slope),
                True, address(dx), address(unused[0]), address(unused[1]))
        return dx, dweight, dbias
    return y, backward


def constant_from(a: np.ndarray | None, axis: int, ndim: int) -> bool:
    """Whether an array that stretches to `ndim` axes has one number along all from `axis` on."""
    return a is None or all(n == 1 for n in a.shape[max(axis - (ndim - a.ndim), 0):])


def stretched(a: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """The numbers of an array that is constant from `axis` on, one for each place before it in `shape`."""
    lead = a.reshape(((1,) * (len(shape) - a.ndim) + a.shape)[:axis])
    return np.ascontiguousarray(np.broadcast_to(lead, shape[:axis])).reshape(-1)
