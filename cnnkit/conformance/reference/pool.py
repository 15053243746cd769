"""Pooling by loops: the ground truth for maximum, average and adaptive pooling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["adaptive_avg_pool", "adaptive_avg_pool_gradients", "adaptive_max_pool",
           "adaptive_max_pool_gradients", "adaptive_max_pool_with_indices", "avg_pool", "avg_pool_gradients",
           "avg_pool_input", "avg_pool_input_gradients", "max_pool", "max_pool_gradients",
           "max_pool_with_indices", "max_unpool", "max_unpool_gradients"]

Array = np.ndarray
Pair = tuple[int, int]
Sizes = tuple[int, ...]
Pads = tuple[Pair, ...]
Span = tuple[list[int], int]  # the positions of a window inside the image along one axis, and how many count


def spans(n: int, kernel: int, stride: int, pads: Pair, dilation: int, ceil_mode: bool) -> list[Span]:
    """Each window's positions inside the image along one axis, and its length inside the padded image.

    With ``ceil_mode`` a last window that hangs over the end counts too, if it starts inside the image or its
    padding before the image; positions beyond the padded image are not counted.
    """
    before, after = pads
    room = n + before + after - dilation * (kernel - 1) - 1
    count = (math.ceil(room / stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= n + before:
        count -= 1
    result = []
    for p in range(count):
        start = p * stride - before
        taps = [start + r * dilation for r in range(kernel)]
        result.append(([i for i in taps if 0 <= i < n], len([i for i in taps if i < n + after])))
    return result


def adaptive_spans(n: int, count: int) -> list[Span]:
    """Window p covers floor(p n / count) up to, not including, ceil((p + 1) n / count)."""
    result = []
    for p in range(count):
        inside = list(range(p * n // count, -(-(p + 1) * n // count)))
        result.append((inside, len(inside)))
    return result


def windows(x: Array, axes: list[list[Span]]) -> Iterator[tuple[Any, ...]]:
    """Every output position with the input positions of its window, in C order, and the window's padded area.

    `axes`: the windows along each spatial axis.
    """
    for n, c in np.ndindex(x.shape[:2]):
        for output in np.ndindex(*map(len, axes)):
            spanned = [spans_along[p] for spans_along, p in zip(axes, output)]
            inside = itertools.product(*(positions for positions, _ in spanned))
            area = math.prod(length for _, length in spanned)
            yield (n, c, *output), [(n, c, *position) for position in inside], area


def maximum(x: Array, positions: list[Any]) -> tuple[Any, ...]:
    """Position of the first maximum; a NaN counts as larger than everything."""
    best = positions[0]
    for index in positions[1:]:
        if x[index] > x[best] or (np.isnan(x[index]) and not np.isnan(x[best])):
            best = index
    return best


# -- maximum -------------------------------------------------------------------------------------------------

def pick(x: Array, axes: list[list[Span]]) -> tuple[Array, Array]:
    """The maximum of every window, and its index in the flattened image (h W + w of two axes)."""
    y = np.zeros((*x.shape[:2], *map(len, axes)))
    indices = np.zeros(y.shape, dtype=np.int64)
    for y_index, positions, _ in windows(x, axes):
        best = maximum(x, positions)
        y[y_index], indices[y_index] = x[best], np.ravel_multi_index(best[2:], x.shape[2:])
    return y, indices


def pick_gradient(dy: Array, x: Array, axes: list[list[Span]]) -> Array:
    """Each window's dY goes to its maximum."""
    dx = np.zeros(x.shape)
    for y_index, positions, _ in windows(x, axes):
        dx[maximum(x, positions)] += dy[y_index]
    return dx


def along_axes(x: Array, kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes,
               ceil_mode: bool) -> list[list[Span]]:
    """The windows along each spatial axis."""
    return [spans(n, k, s, pads, d, ceil_mode)
            for n, k, s, pads, d in zip(x.shape[2:], kernel_size, stride, padding, dilation)]


def adaptive_axes(x: Array, output_size: Sizes) -> list[list[Span]]:
    """The adaptive windows along each spatial axis."""
    return [adaptive_spans(n, count) for n, count in zip(x.shape[2:], output_size)]


def max_pool_with_indices(x: Array, **attrs: Any) -> tuple[Array, Array]:
    """The maximum of every window, and its place in the flattened H W plane; padding is never chosen."""
    return pick(x, along_axes(x, **attrs))


def max_pool(x: Array, **attrs: Any) -> Array:
    """The maximum of every window."""
    return max_pool_with_indices(x, **attrs)[0]


def max_pool_gradients(dy: Array, x: Array, **attrs: Any) -> tuple[Any, ...]:
    """Each window's dY goes to its first maximum."""
    return (pick_gradient(dy, x, along_axes(x, **attrs)),)


def adaptive_max_pool_with_indices(x: Array, *, output_size: Sizes) -> tuple[Array, Array]:
    """The maximum of every adaptive window, and its place in the flattened H W plane."""
    return pick(x, adaptive_axes(x, output_size))


def adaptive_max_pool(x: Array, *, output_size: Sizes) -> Array:
    """The maximum of every adaptive window."""
    return adaptive_max_pool_with_indices(x, output_size=output_size)[0]


def adaptive_max_pool_gradients(dy: Array, x: Array, *, output_size: Sizes) -> tuple[Any, ...]:
    """Each window's dY goes to its first maximum."""
    return (pick_gradient(dy, x, adaptive_axes(x, output_size)),)


# -- average -------------------------------------------------------------------------------------------------

def divisor(positions: list[Any], area: int, count_include_pad: bool, divisor_override: int | None) -> int:
    """What divides a window's sum: the override, its area with the padding, or its elements in the image."""
    if divisor_override is not None:
        return divisor_override
    return area if count_include_pad else len(positions)


def avg_pool(x: Array, *, kernel_size: Sizes, stride: Sizes, padding: Pads, ceil_mode: bool,
             count_include_pad: bool, divisor_override: int | None) -> Array:
    """The mean of every window."""
    axes = along_axes(x, kernel_size, stride, padding, (1,) * len(kernel_size), ceil_mode)
    y = np.zeros((*x.shape[:2], *map(len, axes)))
    for y_index, positions, area in windows(x, axes):
        total = sum(x[index] for index in positions)
        y[y_index] = total / divisor(positions, area, count_include_pad, divisor_override)
    return y


def avg_pool_gradients(dy: Array, x: Array, *, kernel_size: Sizes, stride: Sizes, padding: Pads,
                       ceil_mode: bool, count_include_pad: bool, divisor_override: int | None) -> tuple[Any,
                       ...]:
    """Each element of a window gets the window's dY over the divisor."""
    dx = np.zeros(x.shape)
    axes = along_axes(x, kernel_size, stride, padding, (1,) * len(kernel_size), ceil_mode)
    for y_index, positions, area in windows(x, axes):
        for index in positions:
            dx[index] += dy[y_index] / divisor(positions, area, count_include_pad, divisor_override)
    return (dx,)


def avg_pool_input(dy: Array, *, size: Sizes, **window: Any) -> Array:
    """Each element of a window gets the window's dY over the divisor."""
    return avg_pool_gradients(dy, np.zeros((*dy.shape[:2], *size)), **window)[0]


def avg_pool_input_gradients(d: Array, dy: Array, *, size: Sizes, **window: Any) -> tuple[Any, ...]:
    """Each window gets the mean of what comes back to its elements."""
    return (avg_pool(d, **window),)


def adaptive_avg_pool(x: Array, *, output_size: Sizes) -> Array:
    """The mean of every adaptive window."""
    y = np.zeros((*x.shape[:2], *output_size))
    for y_index, positions, area in windows(x, adaptive_axes(x, output_size)):
        y[y_index] = sum(x[index] for index in positions) / area
    return y


def adaptive_avg_pool_gradients(dy: Array, x: Array, *, output_size: Sizes) -> tuple[Any, ...]:
    """Each element of a window gets the window's dY over its area."""
    dx = np.zeros(x.shape)
    for y_index, positions, area in windows(x, adaptive_axes(x, output_size)):
        for index in positions:
            dx[index] += dy[y_index] / area
    return (dx,)


def max_unpool(x: Array, index: Array, *, size: Sizes) -> Array:
    """Each number at its position in an image of zeros; the last of those at the same one."""
    y = np.zeros((*x.shape[:2], *size))
    for n, c, *place in np.ndindex(x.shape):
        y[n, c].reshape(-1)[index[(n, c, *place)]] = x[(n, c, *place)]
    return y


def max_unpool_gradients(dy: Array, x: Array, index: Array, *, size: Sizes) -> tuple[Any, ...]:
    """Each number gets the gradient at its position."""
    dx = np.zeros(x.shape)
    for n, c, *place in np.ndindex(x.shape):
        dx[(n, c, *place)] = dy[n, c].reshape(-1)[index[(n, c, *place)]]
    return dx, None
