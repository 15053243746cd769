"""Pooling alone; see ``src/pool``. NumPy's kernels serve windows of several divisors, NaN and infinities."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit.backends.c_integers import array_of
from cnnkit.ops.pool import along_axes, divisors
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import pool_output_shape
from cnnkit_cpu import library
from cnnkit_cpu.conv import AVG_POOL, BYTE, MAX_POOL, FlatPlan, make_plan, remember
from cnnkit_cpu.layout import empty_channels_last, is_channels_last, to_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch

ONE = (1, 1)
LARGEST = 64  # elements of a window: vectors run over windows, and of large ones there are few


def max_pool2d(x: np.ndarray, *, needs: Sequence[bool], kernel_size: tuple, stride: tuple, padding: tuple,
               dilation: tuple, ceil_mode: bool) -> tuple:
    """See `cnnkit.ops.pool.max_pool`."""
    if x.ndim != 4:
        return by_rank_2(max_pool2d, (x,), needs,
                         {"kernel_size": kernel_size, "stride": stride, "padding": padding,
                          "dilation": dilation, "ceil_mode": ceil_mode})
    if x.dtype != FLOAT or 0 in x.shape or kernel_size[0] * kernel_size[1] > LARGEST:
        return _unserved(x, kernel_size)
    return _pool(x, needs[0], MAX_POOL, (kernel_size, stride, dilation), padding, ceil_mode, 1.0)


def avg_pool2d(x: np.ndarray, *, needs: Sequence[bool], kernel_size: tuple, stride: tuple, padding: tuple,
               ceil_mode: bool, count_include_pad: bool, divisor_override: int | None) -> tuple:
    """See `cnnkit.ops.pool.avg_pool`."""
    if x.ndim != 4:
        return by_rank_2(avg_pool2d, (x,), needs, {
            "kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad, "divisor_override": divisor_override})
    if x.dtype != FLOAT or 0 in x.shape or kernel_size[0] * kernel_size[1] > LARGEST:
        return _unserved(x, kernel_size)
    size = pool_output_shape(x.shape, kernel_size, stride, padding, ONE, ceil_mode)[2:]
    counts = divisors(along_axes(x.shape, kernel_size, stride, padding, ONE, size), padding,
                      count_include_pad, divisor_override)
    if isinstance(counts, tuple):
        return decline("windows at the edge are divided by other counts; it divides all by one")
    return _pool(x, needs[0], AVG_POOL, (kernel_size, stride, ONE), padding, ceil_mode, float(counts))


def adaptive_avg_pool2d(x: np.ndarray, *, needs: Sequence[bool],
                        output_size: tuple[int | None, ...]) -> tuple:
    """See `cnnkit.ops.adaptive_pool.adaptive_avg_pool`: means of whole maps, or windows of one size."""
    size = tuple(n if wanted is None else wanted for n, wanted in zip(x.shape[2:], output_size))
    if x.dtype != FLOAT or 0 in x.shape or 0 in size:
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    if set(size) == {1}:
        return _means(x, needs[0])
    if any(n % windows for n, windows in zip(x.shape[2:], size)):
        return decline(f"windows of several lengths: {size} of {x.shape[2:]}; it serves those of one")
    window, none = tuple(n // windows for n, windows in zip(x.shape[2:], size)), ((0, 0),) * len(size)
    return avg_pool2d(x, needs=needs, kernel_size=window, stride=window, padding=none, ceil_mode=False,
                      count_include_pad=True, divisor_override=None)


def mean(x: np.ndarray, *, needs: Sequence[bool], axis: Any = None, keepdims: bool = False) -> tuple:
    """The op of the same name, for the mean of each map, which is `adaptive_avg_pool2d` to size 1."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    if (x.dtype != FLOAT or 0 in x.shape or x.ndim < 3 or None in axes
            or sorted(a % x.ndim for a in axes) != [*range(2, x.ndim)]):
        return decline(f"{x.dtype} of shape {x.shape}, axes {axis}; it serves means of float32 maps")
    y, backward = _means(x, needs[0])
    if keepdims:
        return y, backward
    whole = y.shape
    return y.reshape(whole[:2]), None if backward is None else lambda dy: backward(packed(dy).reshape(whole))


def _means(x: np.ndarray, needed: bool) -> tuple:
    """Global average pooling, of any number of spatial axes."""
    owner, last, shape = library.active, is_channels_last(x), x.shape
    N, C, pixels = *shape[:2], math.prod(shape[2:])
    x, y = x if last else packed(x), empty((*shape[:2], *(1,) * (x.ndim - 2)))
    if last:
        owner.mean_channels_last(library.threads, N, pixels, C, address(x), address(y))
    else:
        owner.mean_planes(library.threads, N * C, pixels, address(x), address(y))

    def backward(dy: np.ndarray) -> tuple:
        dy, dx = packed(dy), empty_channels_last(shape) if last else empty(shape)
        if last:
            owner.mean_channels_last_gradient(library.threads, N, pixels, C, address(dy), address(dx))
        else:
            owner.mean_planes_gradient(library.threads, N * C, pixels, address(dy), address(dx))
        return (dx,)
    return y, backward if needed else None


def _unserved(x: np.ndarray, kernel_size: tuple) -> Any:
    return decline(f"{x.dtype} of shape {x.shape}, windows of {kernel_size}; it serves float32 arrays that "
                   f"are not empty, and windows of at most {LARGEST} elements")


def _pool(x: np.ndarray, needed: bool, kind: int, pool: tuple, padding: tuple, ceil_mode: bool,
          divisor: float) -> tuple:
    if is_channels_last(x):
        return _pool_channels_last(x, needed, kind, pool, padding, ceil_mode, divisor)
    owner, (N, C, H, W) = library.active, x.shape

    def make() -> FlatPlan | None:
        size, stride, dilation = pool
        *_, P, Q = pool_output_shape(x.shape, size, stride, padding, dilation, ceil_mode)
        return make_plan(owner, (1, 1, H, W), (1, 1, 1, 1), (N, C, P, Q), ONE, padding, ONE, 1, False, kind,
                         pool)
    plan = remember(owner, ("pool", x.shape, kind, pool, padding, ceil_mode), make)
    if plan is None:
        return decline(f"images of shape {x.shape}: their offsets are no 32-bit numbers")
    threads = library.threads
    x, y = packed(x), empty(plan.shape)
    marks = None
    if needed and kind == MAX_POOL:
        marks = empty((N * C * owner.pool_marks_size(plan.handle),), BYTE)
    room, room_address = scratch(owner.pool_room(plan.handle, threads))
    not_finite = owner.pool_forward(threads, plan.handle, N * C, address(x), address(y),
                                    None if marks is None else address(marks), divisor, room_address)
    del room
    if not_finite:
        return decline("the images hold NaN or infinities")
    return y, _backward(plan, (N, C, H, W), marks, divisor) if needed else None


def _pool_channels_last(x: np.ndarray, needed: bool, kind: int, pool: tuple, padding: tuple, ceil_mode: bool,
                        divisor: float) -> tuple:
    """The same with the channels last in memory."""
    owner, threads, (size, stride, dilation) = library.active, library.threads, pool
    shape = pool_output_shape(x.shape, size, stride, padding, dilation, ceil_mode)
    N, C, H, W = x.shape
    try:
        sizes = array_of(ctypes.c_int, "the window", C, H, W, *shape[2:], *size, *stride, *dilation,
                         padding[0][0], padding[1][0])
    except OverflowError as error:
        return decline(str(error))
    y, argmax = empty_channels_last(shape), None
    if kind == AVG_POOL:
        owner.avg_pool_channels_last_forward(threads, sizes, N, address(x), divisor, address(y))
    else:
        argmax = empty_channels_last(shape, BYTE) if needed else None
        owner.max_pool_channels_last_forward(threads, sizes, N, address(x), address(y),
                                             None if argmax is None else address(argmax))
    if not needed:
        return y, None

    def backward(dy: np.ndarray) -> tuple:
        threads, dy, dx = library.threads, to_channels_last(dy), empty_channels_last((N, C, H, W))
        if argmax is None:
            owner.avg_pool_channels_last_backward(threads, sizes, N, address(dy), divisor, address(dx))
        else:
            owner.max_pool_channels_last_backward(threads, sizes, N, *map(address, (dy, argmax, dx)))
        return (dx,)
    return y, backward


def _backward(plan: FlatPlan, shape: tuple, marks: np.ndarray | None, divisor: float) -> Callable:
    owner = library.active

    def backward(dy: np.ndarray) -> tuple:
        threads = library.threads
        dy, dx = packed(dy), empty(shape)
        room, room_address = scratch(owner.pool_room(plan.handle, threads))
        owner.pool_backward(threads, plan.handle, shape[0] * shape[1], address(dy),
                            None if marks is None else address(marks), divisor, address(dx), room_address)
        del room
        return (dx,)
    return backward
