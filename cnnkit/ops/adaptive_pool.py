"""Adaptive pooling ops: `output_size` windows along each spatial axis, of lengths that differ by at most 1.

Window p of P along an axis holds the elements from ``floor(p n / P)`` up to ``ceil((p + 1) n / P)``,
where n is the number of elements along the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating, narrow, need_floating, widen
from cnnkit.ops.pool import as_indices
from cnnkit.ops.window import Sizes, adaptive_lengths, adaptive_windows
from cnnkit.shapes.checked import SPATIAL

Array = Any
LOWEST = -float("inf")


def _infer(name: str, indices: bool = False) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, output_size: tuple) -> tuple:
        rank = len(output_size)
        if not is_floating(dtypes[0]):
            need_floating(f"{name}{rank}d", dtypes[0])
        if len(shapes[0]) != rank + 2 or 0 in shapes[0][2:]:
            raise ValueError(f"{name}{rank}d takes images of shape (N, C, {SPATIAL[rank]}) with pixels; "
                             f"got {tuple(shapes[0])}")
        size = (*shapes[0][:2], *filled(shapes[0], output_size))
        return ((size, dtypes[0]), (size, None)) if indices else ((size, dtypes[0]),)
    return infer


def filled(shape: Sequence[int], output_size: tuple[int | None, ...]) -> Sizes:
    """`output_size` with the image's own size where it says ``None``."""
    return tuple(n if requested is None else requested for n, requested in zip(shape[2:], output_size))


@op(infer=_infer("adaptive_avg_pool"), sums=True)
def adaptive_avg_pool(x: Array, *, needs: Sequence[bool], output_size: tuple[int | None, ...]) -> tuple:
    """The averages of `output_size` windows: (N, C, H, W) -> (N, C, P, Q); ``None`` keeps a size."""
    xp, dtype, lengths = namespace_of(x), x.dtype, tuple(x.shape[2:])
    size = filled(x.shape, output_size)

    def pooled(a: Array, axis: int, gradient: bool) -> Array:
        n, windows = lengths[axis - 2], size[axis - 2]
        members = adaptive_lengths(n, windows)
        count: Any = members[0]
        if len(set(members)) > 1:
            count = xp.asarray(members, dtype=a.dtype, device=getattr(a, "device", None))
            count = xp.reshape(count, (-1, *(1,) * (a.ndim - axis - 1)))
        if gradient:
            return xp.sum(adaptive_windows(a / count, axis, n), axis=axis + 1)
        return xp.sum(adaptive_windows(a, axis, windows), axis=axis + 1) / count

    y = widen(x)
    for axis in reversed(range(2, x.ndim)):
        y = pooled(y, axis, False)
    if not needs[0]:
        return xp.astype(y, dtype, copy=False), None

    def backward(dy: Array) -> tuple:
        dx = widen(dy)
        for axis in range(2, dy.ndim):
            dx = pooled(dx, axis, True)
        return (xp.astype(dx, dtype, copy=False),)
    return xp.astype(y, dtype, copy=False), backward


@op(infer=_infer("adaptive_max_pool"), sums=True)
def adaptive_max_pool(x: Array, *, needs: Sequence[bool], output_size: tuple[int | None, ...]) -> tuple:
    """The maxima of `output_size` windows; ties as in `max_pool`."""
    (y, _), backward = _adaptive_max(x, needs, output_size, False)
    return y, backward


@op(infer=_infer("adaptive_max_pool", indices=True), outputs=2, differentiable=1, sums=True)
def adaptive_max_pool_with_indices(x: Array, *, needs: Sequence[bool],
                                   output_size: tuple[int | None, ...]) -> tuple:
    """`adaptive_max_pool`, and the position of each maximum in its image of H * W pixels (int64)."""
    return _adaptive_max(x, needs, output_size, True)


def _adaptive_max(x: Array, needs: Sequence[bool], output_size: tuple, indices: bool) -> tuple:
    lengths, size = tuple(x.shape[2:]), filled(x.shape, output_size)
    axes = [(axis, lengths[axis - 2], size[axis - 2]) for axis in reversed(range(2, x.ndim))]
    if not needs[0] and not indices:
        for axis, _, windows in axes:
            x = namespace_of(x).max(adaptive_windows(x, axis, windows, LOWEST), axis=axis + 1)
        return (x, None), None
    y, argmaxima = x, []
    # positions of the maximum along the axes pooled so far, the first axis of the image first
    positions: list[Array] = []
    for axis, n, windows in axes:
        y, index = _first_largest(y, axis, n, windows)
        argmaxima.append((axis, n, index))
        if indices:
            positions = [index, *(_at_index(position, index, axis, n, windows) for position in positions)]
    flat = None
    if indices:
        flat = 0
        for position, n in zip(positions, lengths):
            flat = flat * n + as_indices(position)

    def backward(dy: Array, *_: None) -> tuple:
        dx = widen(dy)  # windows that overlap add up
        for axis, n, index in reversed(argmaxima):
            dx = _to_largest(dx, index, axis, n)
        return (narrow(dx, dy.dtype),)
    return (y, flat), backward if needs[0] else None


def _first_largest(x: Array, axis: int, n: int, windows: int) -> tuple[Array, Array]:
    """Each window's maximum along an axis of n elements, and its index: the first of equals, or first NaN."""
    xp = namespace_of(x)
    elements = adaptive_windows(x, axis, windows, LOWEST)
    maximum = xp.max(elements, axis=axis + 1)
    # where the maximum is NaN, nothing equals it, and only NaN counts
    is_best = (elements == xp.expand_dims(maximum, axis=axis + 1)) | xp.isnan(elements)
    start = xp.asarray([i * n // windows for i in range(windows)], dtype=xp.int32,
                       device=getattr(x, "device", None))
    offset = xp.argmax(xp.astype(is_best, xp.int8), axis=axis + 1)
    return maximum, xp.astype(offset, xp.int32) + xp.reshape(start, (-1, *(1,) * (x.ndim - axis - 1)))


def _at_index(values: Array, index: Array, axis: int, n: int, windows: int) -> Array:
    """The element of `values` at position `index` along an axis of n elements, for each window."""
    xp = namespace_of(values)
    along = xp.arange(n, dtype=xp.int32, device=getattr(values, "device", None))
    along = xp.reshape(along, (-1, *(1,) * (values.ndim - axis - 1)))
    is_chosen = (adaptive_windows(along + xp.zeros_like(values), axis, windows, -1)
                 == xp.expand_dims(index, axis=axis + 1))
    elements = adaptive_windows(values, axis, windows)
    return xp.sum(xp.where(is_chosen, elements, xp.zeros_like(elements)), axis=axis + 1, dtype=values.dtype)


def _to_largest(dy: Array, index: Array, axis: int, n: int) -> Array:
    """The gradient of `_first_largest`."""
    xp = namespace_of(dy)
    dys, argmax = adaptive_windows(dy, axis, n), adaptive_windows(index, axis, n, -1)
    position = xp.reshape(xp.arange(n, dtype=xp.int32, device=getattr(dy, "device", None)),
                          (-1, *(1,) * (dy.ndim - axis)))
    return xp.sum(xp.where(argmax == position, dys, xp.zeros_like(dys)), axis=axis + 1, dtype=dy.dtype)
