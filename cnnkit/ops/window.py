"""Sliding windows with nothing but the Array API: padding, dilation, unfold (image to windows) and fold (its gradient).

Nothing is assigned into an array, so these run on libraries whose arrays cannot change (JAX).
"""

from __future__ import annotations

from typing import Any

from cnnkit.backends import namespace_of

__all__ = ["dilate", "fold", "pad", "pad_axis", "unfold"]

Array = Any
Pads = tuple[tuple[int, int], tuple[int, int]]


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
    """Pad the last two axes by ((top, bottom), (left, right))."""
    for axis, (before, after) in zip((x.ndim - 2, x.ndim - 1), pads):
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
    wide = xp.expand_dims(x, axis=axis + 1)
    zeros = xp.zeros((*shape[:axis + 1], step - 1, *shape[axis + 1:]), dtype=x.dtype, device=getattr(x, "device", None))
    joined = xp.reshape(xp.concat([wide, zeros], axis=axis + 1), (*shape[:axis], n * step, *shape[axis + 1:]))
    return pad_axis(joined, axis, 0, 1 - step)


def unfold(x: Array, kernel_size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int],
           size: tuple[int, int]) -> Array:
    """All windows of a padded image: (N, C, H, W) -> (N, C, R * S, P, Q), for an output of `size` (P, Q)."""
    xp = namespace_of(x)
    (R, S), (P, Q) = kernel_size, size
    if R == S == 1 and stride == (1, 1):
        return xp.expand_dims(x[:, :, :P, :Q], axis=2)
    taps = []
    for r in range(R):
        for s in range(S):
            top, left = r * dilation[0], s * dilation[1]
            taps.append(x[:, :, top:top + (P - 1) * stride[0] + 1:stride[0], left:left + (Q - 1) * stride[1] + 1:stride[1]])
    return xp.stack(taps, axis=2)


def fold(windows: Array, size: tuple[int, int], kernel_size: tuple[int, int], stride: tuple[int, int],
         dilation: tuple[int, int]) -> Array:
    """Add every window's elements back to where they came from: (N, C, R * S, P, Q) -> (N, C, H, W) of `size`.

    The gradient of `unfold`: elements that no window covered get zero.
    """
    xp = namespace_of(windows)
    N, C, _, P, Q = windows.shape
    H, W = size
    (R, S), (sh, sw), (dh, dw) = kernel_size, stride, dilation
    if P == 0 or Q == 0:
        return xp.zeros((N, C, H, W), dtype=windows.dtype, device=getattr(windows, "device", None))
    rows = None
    for r in range(R):
        row = None
        for s in range(S):
            tap = dilate(windows[:, :, r * S + s, :, :], 3, sw)
            tap = pad_axis(tap, 3, s * dw, W - s * dw - tap.shape[3])
            row = tap if row is None else row + tap
        row = dilate(row, 2, sh)
        row = pad_axis(row, 2, r * dh, H - r * dh - row.shape[2])
        rows = row if rows is None else rows + row
    return rows
