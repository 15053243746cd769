"""Pooling in NumPy, first along the width, then the height: an array operation for each element of a window.

A few images at a time, so that what the first pass writes is in the cache when the second reads it. Which
element is the largest is kept as one byte, and only where a gradient is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.pool import Along, along_axes, divisors
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import pool_output_shape
from cnnkit_numpy.window import room

BLOCK = 1 << 19  # bytes of images at a time
MASKS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}  # floats, and integers as wide


def max_pool2d(x, *, needs, kernel_size, stride, padding, dilation, ceil_mode):
    """See `cnnkit.ops.pool.max_pool`."""
    if x.ndim != 4:
        return by_rank_2(max_pool2d, (x,), needs,
                         {"kernel_size": kernel_size, "stride": stride, "padding": padding,
                          "dilation": dilation, "ceil_mode": ceil_mode})
    if x.dtype not in MASKS or 0 in x.shape or max(kernel_size) > 255:
        return decline(f"{x.dtype} of shape {x.shape}, windows of {kernel_size}")
    shape = pool_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    rows, columns = along_axes(x.shape, kernel_size, stride, padding, dilation, shape[2:])
    y = np.empty(shape, x.dtype)
    if not needs[0]:
        for part, between in blocks(x, shape):
            largest(largest(x[part], columns, between), rows, y[part])
        return y, None
    row, column = np.empty(shape, np.uint8), np.empty((*x.shape[:3], shape[3]), np.uint8)
    for part, between in blocks(x, shape):
        first_largest(x[part], columns, between, column[part])
        first_largest(between, rows, y[part], row[part])
        if np.isnan(y[part].min()):
            first_largest(x[part], columns, between, column[part], nan=True)
            first_largest(between, rows, y[part], row[part], nan=True)
    size = x.shape

    def backward(dy):
        dx = np.empty(size, dy.dtype)
        for part, between in blocks(dx, shape):
            to_largest(dy[part], row[part], rows, between)
            to_largest(between, column[part], columns, dx[part])
        return (dx,)
    return y, backward


def avg_pool2d(x, *, needs, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """See `cnnkit.ops.pool.avg_pool`."""
    if x.ndim != 4:
        return by_rank_2(avg_pool2d, (x,), needs, {
            "kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad, "divisor_override": divisor_override})
    if x.dtype not in MASKS or 0 in x.shape:
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 and float64 that are not empty")
    shape = pool_output_shape(x.shape, kernel_size, stride, padding, (1, 1), ceil_mode)
    rows, columns = along_axes(x.shape, kernel_size, stride, padding, (1, 1), shape[2:])
    counts = divisors((rows, columns), padding, count_include_pad, divisor_override)
    if isinstance(counts, tuple):
        counts = np.multiply.outer(*counts).astype(x.dtype)
    y = np.empty(shape, x.dtype)
    for part, between in blocks(x, shape):
        total(total(x[part], columns, between), rows, y[part])
        y[part] /= counts
    if not needs[0]:
        return y, None
    size = x.shape

    def backward(dy):
        dx = np.empty(size, dy.dtype)
        for part, between in blocks(dx, shape):
            spread(dy[part] / counts, rows, between)
            spread(between, columns, dx[part])
        return (dx,)
    return y, backward


def blocks(x: np.ndarray, shape: tuple) -> Iterator[tuple[slice, np.ndarray]]:
    """The runs of images to work on at a time, each with room (n, C, H, Q) to pool along the width into."""
    N, C, H, _ = x.shape
    step = max(1, min(N, BLOCK * N // x.nbytes))
    buffer = room("pooled along the width", (step, C, H, shape[3]), x.dtype)
    for start in range(0, N, step):
        yield slice(start, start + step), buffer[:N - start]


@lru_cache(512)
def taps(along: Along) -> tuple:
    """For each element of a window: its number, and slices of windows and pixels where it is in the image."""
    elements, leading = [], (slice(None),) * along.axis
    for t in range(along.kernel):
        offset = t * along.dilation - along.before  # window p has its element t at pixel p * stride + offset
        first = max(0, -(offset // along.stride))
        last = min(along.size - 1, (along.length - 1 - offset) // along.stride)
        if first <= last:
            pixels = slice(first * along.stride + offset, last * along.stride + offset + 1, along.stride)
            elements.append((t, (*leading, slice(first, last + 1)), (*leading, pixels)))
    return tuple(elements)


def combine(x, along, ufunc, start, out):
    """`ufunc` over the elements of every window, from the first to the last."""
    parts = taps(along)
    all_windows = (*(slice(None),) * along.axis, slice(0, along.size))
    if len(parts) > 1 and parts[0][1] == parts[1][1] == all_windows:
        ufunc(x[parts[0][2]], x[parts[1][2]], out=out)
        parts = parts[2:]
    else:
        out.fill(start)
    for _, windows, pixels in parts:
        partial = out[windows]
        ufunc(partial, x[pixels], out=partial)
    return out


def largest(x, along, out):
    """Each window's maximum; NaN if it holds one."""
    return combine(x, along, np.maximum, -np.inf, out)


def total(x, along, out):
    """Each window's sum."""
    return combine(x, along, np.add, 0, out)


def first_largest(x, along, best, index, nan=False):
    """Each window's maximum and its index: the first of equal elements, and with `nan` the first NaN."""
    parts = taps(along)
    all_windows = (*(slice(None),) * along.axis, slice(0, along.size))
    if [p[0] for p in parts[:2]] == [0, 1] and parts[0][1] == parts[1][1] == all_windows and not nan:
        a, b = x[parts[0][2]], x[parts[1][2]]
        np.maximum(a, b, out=best)
        np.greater(b, a, out=index.view(bool))
        parts = parts[2:]
    else:
        best.fill(-np.inf)
        # -inf in the image is no larger than padding: start at the first pixel
        for t, windows, _ in reversed(parts):
            index[windows] = t
    for t, windows, pixels in parts:
        tap, so_far, argmax = x[pixels], best[windows], index[windows]
        larger = tap > so_far
        if nan:
            larger |= np.isnan(tap) & ~np.isnan(so_far)
        # elements come in ascending order: the maximum is the last one that was larger
        np.maximum(argmax, larger.view(np.uint8) * np.uint8(t), out=argmax)
        np.maximum(so_far, tap, out=so_far)


def to_largest(dy, index, along, dx):
    """The gradient of `first_largest`. It masks bits: a product would make NaN of an infinite gradient."""
    mask_type = MASKS[dy.dtype]
    overlap = along.stride <= (along.kernel - 1) * along.dilation
    dx.fill(0)
    for t, windows, pixels in taps(along):
        mask = np.negative((index[windows] == t).view(np.int8), dtype=mask_type)
        if overlap:
            dx[pixels] += np.bitwise_and(dy[windows].view(mask_type), mask, out=mask).view(dy.dtype)
        else:
            np.bitwise_and(dy[windows].view(mask_type), mask, out=dx[pixels].view(mask_type))


def spread(dy, along, dx):
    """The gradient of `total`."""
    overlap = along.stride <= (along.kernel - 1) * along.dilation
    dx.fill(0)
    for _, windows, pixels in taps(along):
        if overlap:
            dx[pixels] += dy[windows]
        else:
            dx[pixels] = dy[windows]
