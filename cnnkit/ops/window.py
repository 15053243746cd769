"""Sliding windows in the Array API alone: padding, dilation, windows along one and along all spatial axes.

A window of `kernel` elements takes `size` positions along an axis, `stride` apart; its elements are
`dilation` apart. `taps` gives `kernel` arrays: array t holds element t of every window; `untap` is
its gradient. Nothing is assigned into an array, so these run on libraries whose arrays cannot change (JAX).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of

__all__ = ["adaptive_lengths", "adaptive_windows", "dilate", "fold", "pad", "pad_axis",
           "taps", "unfold", "untap"]

Array = Any
Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def pad_axis(x: Array, axis: int, before: int, after: int, value: float = 0.0) -> Array:
    """Put `before` and `after` elements of `value` around one axis; negative amounts take elements away."""
    if before < 0 or after < 0:
        stop = x.shape[axis] + min(after, 0)
        index = [slice(None)] * x.ndim
        index[axis] = slice(min(max(-before, 0), max(stop, 0)), max(stop, 0))
        x = x[tuple(index)]
    parts = [x]
    xp = namespace_of(x)
    for amount, first in ((before, True), (after, False)):
        if amount > 0:
            shape = list(x.shape)
            shape[axis] = amount
            block = xp.full(tuple(shape), value, dtype=x.dtype, device=getattr(x, "device", None))
            parts = [block, *parts] if first else [*parts, block]
    return xp.concat(parts, axis=axis) if len(parts) > 1 else x


def pad(x: Array, pads: Pads, value: float = 0.0) -> Array:
    """Pad the last axes, of two by ((top, bottom), (left, right))."""
    for axis, (before, after) in enumerate(pads, x.ndim - len(pads)):
        if before or after:
            x = pad_axis(x, axis, before, after, value)
    return x


def dilate(x: Array, axis: int, step: int) -> Array:
    """Put ``step - 1`` zeros between neighbours along one axis: n elements become ``(n - 1) * step + 1``."""
    n = x.shape[axis]
    if step == 1 or n <= 1:
        return x
    xp = namespace_of(x)
    shape = tuple(x.shape)
    expanded = xp.expand_dims(x, axis=axis + 1)
    zeros = xp.zeros((*shape[:axis + 1], step - 1, *shape[axis + 1:]), dtype=x.dtype,
                     device=getattr(x, "device", None))
    joined = xp.concat([expanded, zeros], axis=axis + 1)
    joined = xp.reshape(joined, (*shape[:axis], n * step, *shape[axis + 1:]))
    return pad_axis(joined, axis, 0, 1 - step)


def taps(x: Array, axis: int, kernel: int, stride: int, dilation: int, size: int) -> list[Array]:
    """Element t of every window along an axis, for each t: `kernel` arrays of `size` elements (views)."""
    before = (slice(None),) * axis
    return [x[(*before, slice(t, t + (size - 1) * stride + 1, stride), ...)]
            for t in range(0, kernel * dilation, dilation)]


def untap(parts: Sequence[Array], axis: int, stride: int, dilation: int, length: int) -> Array:
    """Add every window's elements back where they came from (`length` elements on `axis`): `taps`' gradient.

    Elements that no window covered get zero.
    """
    total = None
    for t, part in enumerate(parts):
        spread = dilate(part, axis, stride)
        spread = pad_axis(spread, axis, t * dilation, length - t * dilation - spread.shape[axis])
        total = spread if total is None else total + spread
    return total


def unfold(x: Array, kernel_size: Sizes, stride: Sizes, dilation: Sizes, size: Sequence[int]) -> Array:
    """All windows of a padded image: (N, C, H, W) -> (N, C, R * S, P, Q), for an output of `size` (P, Q)."""
    xp, parts = namespace_of(x), [x]
    for axis, window in enumerate(zip(kernel_size, stride, dilation, size), 2):
        parts = [tap for part in parts for tap in taps(part, axis, *window)]
    return xp.expand_dims(parts[0], axis=2) if len(parts) == 1 else xp.stack(parts, axis=2)


def fold(windows: Array, size: Sequence[int], kernel_size: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """Add every window's elements back where they came from: (N, C, R * S, P, Q) -> (N, C, *size).

    The gradient of `unfold`: elements that no window covered get zero.
    """
    parts = [windows[:, :, t, ...] for t in range(windows.shape[2])]
    for axis in reversed(range(len(size))):
        k, s, d, n = kernel_size[axis], stride[axis], dilation[axis], size[axis]
        parts = [untap(parts[first:first + k], axis + 2, s, d, n) for first in range(0, len(parts), k)]
    return parts[0]


def adaptive_windows(x: Array, axis: int, size: int, fill: float = 0) -> Array:
    """Split an axis into `size` windows as even as can be: it becomes two axes, (size, longest window).

    Window i holds the elements from ``floor(i n / size)`` up to ``ceil((i + 1) n / size)``, so neighbours may
    share an element (PyTorch's rule); shorter windows end with `fill`. Element h lies in the windows that the
    same rule gives with `size` and n exchanged, so this function gathers gradients as well.
    """
    xp = namespace_of(x)
    n, shape = x.shape[axis], tuple(x.shape)
    if n % size == 0:
        return xp.reshape(x, (*shape[:axis], size, n // size, *shape[axis + 1:]))
    starts = [i * n // size for i in range(size)]
    lengths = adaptive_lengths(n, size)
    longest = max(lengths)
    device = getattr(x, "device", None)
    index = xp.asarray([min(s + t, n - 1) for s in starts for t in range(longest)],
                       dtype=xp.int32, device=device)
    windows = xp.reshape(xp.take(x, index, axis=axis), (*shape[:axis], size, longest, *shape[axis + 1:]))
    if longest == min(lengths):
        return windows
    inside = xp.asarray([[t < length for t in range(longest)] for length in lengths],
                        dtype=xp.bool, device=device)
    inside = xp.reshape(inside, (size, longest, *(1,) * (len(shape) - axis - 1)))
    return xp.where(inside, windows, xp.full((1,) * windows.ndim, fill, dtype=x.dtype, device=device))


def adaptive_lengths(n: int, size: int) -> list[int]:
    """How many elements each of the `size` windows of `adaptive_windows` holds."""
    return [-(-(i + 1) * n // size) - i * n // size for i in range(size)]
