"""Pooling in NumPy: along the width, then along the height, one whole-array operation for each element of a window.

Which element is the largest is kept as one byte, and only where a gradient is wanted.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cnnkit.ops.pool import ONE, Along, both, divisors
from cnnkit.shapes import pool2d_output_shape

MASKS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}  # floats, and integers as wide


def max_pool2d(x, *, needs, kernel_size, stride, padding, dilation, ceil_mode):
    """See `cnnkit.ops.pool.max_pool2d`."""
    if x.dtype not in MASKS or 0 in x.shape or max(kernel_size) > 255:
        return NotImplemented
    *_, P, Q = pool2d_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    rows, columns = both(x.shape, kernel_size, stride, padding, dilation, (P, Q))
    if not needs[0]:
        return largest(largest(x, columns), rows), None
    wide, column = first_largest(x, columns)
    y, row = first_largest(wide, rows)
    if np.isnan(y.min()):
        wide, column = first_largest(x, columns, nan=True)
        y, row = first_largest(wide, rows, nan=True)
    return y, lambda dy: (to_largest(to_largest(dy, row, rows), column, columns),)


def avg_pool2d(x, *, needs, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """See `cnnkit.ops.pool.avg_pool2d`."""
    if x.dtype not in MASKS or 0 in x.shape:
        return NotImplemented
    *_, P, Q = pool2d_output_shape(x.shape, kernel_size, stride, padding, ONE, ceil_mode)
    rows, columns = both(x.shape, kernel_size, stride, padding, ONE, (P, Q))
    counts = divisors(rows, columns, padding, count_include_pad, divisor_override)
    if isinstance(counts, tuple):
        counts = np.multiply.outer(*counts).astype(x.dtype)
    y = total(total(x, columns), rows)
    y /= counts
    return y, (lambda dy: (spread(spread(dy / counts, rows), columns),)) if needs[0] else None


@lru_cache(512)
def taps(along: Along) -> tuple:
    """For each element t of a window: (t, index of the windows in which it is in the image, index of these pixels)."""
    found, before = [], (slice(None),) * along.axis
    for t in range(along.kernel):
        offset = t * along.dilation - along.before  # window p has its element t at pixel p * stride + offset
        first = max(0, -(offset // along.stride))
        last = min(along.size - 1, (along.length - 1 - offset) // along.stride)
        if first <= last:
            pixels = slice(first * along.stride + offset, last * along.stride + offset + 1, along.stride)
            found.append((t, (*before, slice(first, last + 1)), (*before, pixels)))
    return tuple(found)


def shape_of(x: np.ndarray, along: Along, size: int) -> tuple:
    """The shape of `x` with `size` elements along the axis."""
    return (*x.shape[:along.axis], size, *x.shape[along.axis + 1:])


def combine(x, along, ufunc, start):
    """`ufunc` over the elements of every window, from the first to the last; contiguous whatever `x` is."""
    parts = taps(along)
    result = np.empty(shape_of(x, along, along.size), x.dtype)
    every = (slice(None),) * along.axis + (slice(0, along.size),)
    if len(parts) > 1 and parts[0][1] == parts[1][1] == every:
        ufunc(x[parts[0][2]], x[parts[1][2]], out=result)
        parts = parts[2:]
    else:
        result.fill(start)
    for _, windows, pixels in parts:
        inside = result[windows]
        ufunc(inside, x[pixels], out=inside)
    return result


def largest(x, along):
    """Each window's maximum; NaN if it holds one."""
    return combine(x, along, np.maximum, -np.inf)


def total(x, along):
    """Each window's sum."""
    return combine(x, along, np.add, 0)


def first_largest(x, along, nan=False):
    """Each window's maximum, and which of its elements that is: the first of equals, and with `nan` the first NaN."""
    best = np.empty(shape_of(x, along, along.size), x.dtype)
    index = np.zeros(best.shape, np.uint8)
    parts = taps(along)
    if not parts:  # the windows see nothing but padding
        best.fill(-np.inf)
        return best, index
    (t, windows, pixels), *rest = parts
    if t or best[windows].shape != best.shape:
        best.fill(-np.inf)
        for t, windows, _ in reversed(parts):  # -inf in the image is no larger than padding: start at the first pixel
            index[windows] = t
        rest = parts
    elif len(parts) > 1 and rest[0][1] == windows and not nan:
        a, b = x[pixels], x[rest[0][2]]
        np.maximum(a, b, out=best)
        np.greater(b, a, out=index.view(bool))
        rest = rest[1:]
    else:
        best[windows] = x[pixels]
    for t, windows, pixels in rest:
        tap, so_far, place = x[pixels], best[windows], index[windows]
        larger = tap > so_far
        if nan:
            larger |= np.isnan(tap) & ~np.isnan(so_far)
        np.maximum(place, larger.view(np.uint8) * np.uint8(t), out=place)  # elements come in order: the last one counts
        np.maximum(so_far, tap, out=so_far)
    return best, index


def to_largest(dy, index, along):
    """The gradient of `first_largest`. Bits are masked, for a product would make NaN of an infinite gradient."""
    mask_type = MASKS[dy.dtype]
    dx = np.zeros(shape_of(dy, along, along.length), dy.dtype)
    overlap = along.stride <= (along.kernel - 1) * along.dilation
    for t, windows, pixels in taps(along):
        mask = np.negative((index[windows] == t).view(np.int8), dtype=mask_type)
        if overlap:
            dx[pixels] += np.bitwise_and(dy[windows].view(mask_type), mask, out=mask).view(dy.dtype)
        else:
            np.bitwise_and(dy[windows].view(mask_type), mask, out=dx[pixels].view(mask_type))
    return dx


def spread(dy, along):
    """The gradient of `total`."""
    dx = np.zeros(shape_of(dy, along, along.length), dy.dtype)
    overlap = along.stride <= (along.kernel - 1) * along.dilation
    for _, windows, pixels in taps(along):
        if overlap:
            dx[pixels] += dy[windows]
        else:
            dx[pixels] = dy[windows]
    return dx
