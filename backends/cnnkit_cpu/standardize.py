"""Normalisation over the last axes by the loops of batch norm, for which a row of numbers is a channel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.broadcasting import unbroadcast
from cnnkit_cpu import library
from cnnkit_cpu.activation import NO_FUNCTION
from cnnkit_cpu.finite import tame
from cnnkit_cpu.group_norm import group_norm, images
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, not_a_call, packed


def standardize(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, *, needs: Sequence[bool],
                axes: tuple[int, ...], eps: float, center: bool) -> tuple:
    """The op of the same name."""
    if x.dtype != FLOAT or not x.size or any(a is not None and a.dtype != FLOAT for a in (weight, bias)):
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    # sums of dy times an infinite weight are NaN where the weight times sums of dy is infinite
    factors_are_finite = weight is None or tame(packed(weight))
    if center and factors_are_finite and (layout := images(x, axes, weight, bias)) is not None:
        return group_norm(layout, x, weight, bias, needs, eps)
    start = x.ndim - len(axes)
    if not center or sorted(axes) != list(range(start, x.ndim)):
        return decline("it serves mean and variance over the last axes")
    x, owner = packed(x), library.active
    rows, count = prod(x.shape[:start]), prod(x.shape[start:])
    mean, var, rstd = empty((2, rows)), empty((rows,)), empty((rows,))
    owner.norm_statistics(library.threads, 1, rows, count, *map(address, (x, mean, var)))
    owner.norm_scale(rows, address(var), None, eps, address(rstd), None)
    # where weight and bias are constant along the axes from `split` on, they are one number for each part of
    # a row, and become part of the one loop
    split = next((k for k in (start, start + 1)
                  if 0 < k < x.ndim and all(constant_from(a, k, x.ndim) for a in (weight, bias))), 0)
    if split:
        return _by_parts(Parts(x, mean, rstd, start, split, weight, bias), x, weight, bias, needs)
    not_a_call("NumPy multiplies by weights of layer norm")
    y = empty(x.shape)
    owner.norm_forward(library.threads, 1, rows, count, *map(address, (x, mean, rstd)), None, *NO_FUNCTION,
                       address(y))
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    if True not in needs:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        dy, dx, dweight = packed(dy), None, None
        if needs[1]:
            normal = empty(x.shape)
            owner.norm_forward(library.threads, 1, rows, count, *map(address, (x, mean, rstd)), None,
                               *NO_FUNCTION, address(normal))
            normal *= dy
            dweight = unbroadcast(normal, weight)
        if needs[0]:
            slope = dy if weight is None else np.multiply(dy, weight, out=empty(x.shape))
            dx = _gradient(x, rows, count, mean, rstd, slope)
        return dx, dweight, unbroadcast(dy, bias) if needs[2] else None
    return y, backward


class Parts:
    """Rows whose parts have one number of weight and bias each: a part is a channel to the loops."""

    def __init__(self, x: np.ndarray, mean: np.ndarray, rstd: np.ndarray, start: int, split: int,
                 weight: np.ndarray | None, bias: np.ndarray | None):
        rows, count = prod(x.shape[:start]), prod(x.shape[start:])
        parts = x.shape[start] if split > start else 1
        self.split, self.rows, self.count = split, rows, count
        self.row_mean, self.row_rstd = mean, rstd
        self.sizes = 1, rows * parts, count // parts
        numbers = [a for a in (weight, bias) if a is not None]
        # the numbers of one image are those of all; if not, each has its own
        self.period = prod(x.shape[1:split]) if all(is_periodic(a, x.shape, split) for a in numbers) else (
            rows * parts)
        self.weight, self.bias = (None if a is None else self._numbers(a, x.shape, split)
                                  for a in (weight, bias))
        self.mean, self.rstd = mean, rstd
        self.scale: np.ndarray | None = rstd
        self.shift: np.ndarray | None = None
        if parts == 1 and not numbers:
            return
        self.mean, self.rstd = empty((2, rows * parts)), empty((rows * parts,))
        self.scale, self.shift = (None if a is None else empty((rows * parts,)) for a in (weight, bias))
        library.active.norm_parts(rows, parts, self.period, *map(address_of, (
            mean, rstd, self.weight, self.bias, self.mean, self.rstd, self.scale, self.shift)))
        if self.scale is None:
            self.scale = self.rstd

    def _numbers(self, a: np.ndarray, shape: tuple[int, ...], split: int) -> np.ndarray:
        if self.period != prod(shape[:split]):
            return packed(a).reshape(-1)
        return stretched(a, shape, split)

    def sum(self, along: np.ndarray, parameter: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The gradient of weight or bias, from that of each part; `shape` of the parts."""
        if self.period != parameter.size:
            return unbroadcast(along.reshape(shape), parameter)
        total = empty(parameter.shape)
        library.active.norm_sums(self.sizes[1] // self.period, self.period, address(along), address(total))
        return total


def _by_parts(parts: Parts, x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
              needs: Sequence[bool]) -> tuple:
    y, owner, all_parts = empty(x.shape), library.active, parts.sizes[1]
    shape = (*x.shape[:parts.split], *(1,) * (x.ndim - parts.split))
    owner.norm_forward(library.threads, *parts.sizes, *map(address_of, (
        x, parts.mean, parts.scale, parts.shift)), *NO_FUNCTION, address(y))
    if True not in needs:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        dy, dx, dweight, dbias = packed(dy), None, None, None
        if needs[1] or needs[2]:
            along, total = empty((all_parts,)), empty((all_parts,))
            owner.norm_backward(library.threads, *parts.sizes, *map(address_of, (
                x, parts.mean, parts.rstd, parts.scale)), None, address(dy), False, None, address(along),
                address(total))
            dweight = parts.sum(along, weight, shape) if needs[1] else None  # type: ignore[arg-type]
            dbias = parts.sum(total, bias, shape) if needs[2] else None  # type: ignore[arg-type]
        if needs[0]:
            slope = dy
            if parts.weight is not None:
                slope = empty(x.shape)
                owner.norm_times(library.threads, all_parts, parts.sizes[2], parts.period,
                                 *map(address, (dy, parts.weight, slope)))
            dx = _gradient(x, parts.rows, parts.count, parts.row_mean, parts.row_rstd, slope)
        return dx, dweight, dbias
    return y, backward


def _gradient(x: np.ndarray, rows: int, count: int, mean: np.ndarray, rstd: np.ndarray,
              slope: np.ndarray) -> np.ndarray:
    dx, unused = empty(x.shape), empty((2, rows))
    library.active.norm_backward(library.threads, 1, rows, count, *map(address, (x, mean, rstd, rstd)), None,
                                 address(slope), True, address(dx), *map(address, unused))
    return dx


def is_periodic(a: np.ndarray, shape: tuple[int, ...], axis: int) -> bool:
    """Whether an array has one number for each place before `axis`, the same for all of the first axis."""
    return ((1,) * (len(shape) - a.ndim) + a.shape)[:axis] == (1, *shape[1:axis])


def address_of(array: np.ndarray | None) -> int | None:
    return None if array is None else address(array)


def constant_from(a: np.ndarray | None, axis: int, ndim: int) -> bool:
    """Whether an array that stretches to `ndim` axes has one number along all from `axis` on."""
    return a is None or all(n == 1 for n in a.shape[max(axis - (ndim - a.ndim), 0):])


def stretched(a: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """The numbers of an array that is constant from `axis` on, one for each place before it in `shape`."""
    lead = a.reshape(((1,) * (len(shape) - a.ndim) + a.shape)[:axis])
    return np.ascontiguousarray(np.broadcast_to(lead, shape[:axis])).reshape(-1)
