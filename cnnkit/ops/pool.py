"""Pooling ops: max, average, adaptive.

A maximum or a sum over a window is one along the width, then one along the height, so each op runs twice along an axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.precision import is_floating, need_floating, widen
from cnnkit.ops.window import Pads, Pair, adaptive_lengths, adaptive_windows, pad_axis, taps, untap
from cnnkit.shapes import pool2d_output_shape

Array = Any
ONE = (1, 1)


class Along(NamedTuple):
    """Windows along one axis: element t of window p is element ``p stride + t dilation - before``."""

    axis: int
    length: int
    kernel: int
    stride: int
    dilation: int
    before: int
    size: int

    @property
    def padded(self) -> int:
        """How many elements the windows reach over, from the first one's start."""
        return (self.size - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    def taps(self, x: Array, fill: float) -> list[Array]:
        """Element t of every window, for each t; `fill` where a window hangs over the image."""
        x = pad_axis(x, self.axis, self.before, self.padded - self.length - self.before, fill)
        return taps(x, self.axis, self.kernel, self.stride, self.dilation, self.size)

    def untap(self, parts: Sequence[Array]) -> Array:
        """The gradient of `taps`."""
        padded = untap(parts, self.axis, self.stride, self.dilation, self.padded)
        return pad_axis(padded, self.axis, -self.before, self.length + self.before - self.padded)

    def shaped(self, values: Sequence, like: Array, dtype: Any) -> Array:
        """One value for each window, as an array that broadcasts against the windows of `like`."""
        values = namespace_of(like).asarray(values, dtype=dtype, device=getattr(like, "device", None))
        return namespace_of(like).reshape(values, (-1, *(1,) * (like.ndim - self.axis - 1)))


def both(shape: Sequence[int], kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair, size: Pair) -> tuple[Along, Along]:
    """The windows along the height and along the width of images of `shape`."""
    rows, columns = (Along(axis, shape[axis], kernel_size[i], stride[i], dilation[i], padding[i][0], size[i])
                     for i, axis in enumerate((2, 3)))
    return rows, columns


# -- maximum ------------------------------------------------------------------------------------------------------

def _infer_max(shapes: Sequence, dtypes: Sequence, *, kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair,
               ceil_mode: bool) -> tuple:
    if not is_floating(dtypes[0]):
        need_floating("max_pool2d", dtypes[0])
    return ((pool2d_output_shape(shapes[0], kernel_size, stride, padding, dilation, ceil_mode, "max_pool2d"), dtypes[0]),)


def _infer_max_with_indices(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
    result, = _infer_max(shapes, dtypes, **attrs)
    return result, (result[0], None)


@op(infer=_infer_max, role="pool")
def max_pool2d(x: Array, *, needs: Sequence[bool], kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair,
               ceil_mode: bool) -> tuple:
    """The largest element of each window: (N, C, H, W) -> (N, C, P, Q).

    The gradient goes to the first largest element; a NaN is larger than everything, padding smaller.
    """
    *_, P, Q = pool2d_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    rows, columns = both(x.shape, kernel_size, stride, padding, dilation, (P, Q))
    if not needs[0]:
        return _largest(_largest(x, columns), rows), None
    y, column = _first_largest(x, columns)
    y, row = _first_largest(y, rows)
    return y, lambda dy: (_to_largest(_to_largest(dy, row, rows), column, columns),)


@op(infer=_infer_max_with_indices, outputs=2, differentiable=1)
def max_pool2d_with_indices(x: Array, *, needs: Sequence[bool], kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair,
                            ceil_mode: bool) -> tuple:
    """`max_pool2d`, and where in its image of H * W pixels each maximum is (int64; -1 where a window holds only padding)."""
    *_, P, Q = pool2d_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    rows, columns = both(x.shape, kernel_size, stride, padding, dilation, (P, Q))
    y, column = _first_largest(x, columns)
    y, row = _first_largest(y, rows)
    xp = namespace_of(x)
    w = _choose(rows.taps(column * columns.dilation + _starts(columns, x), 0), row)
    h = row * rows.dilation + _starts(rows, x)
    inside = (w < columns.length) & (h < rows.length)
    indices = _indices(xp.where(inside, h * columns.length + w, xp.full_like(h, -1)))
    if not needs[0]:
        return (y, indices), None
    return (y, indices), lambda dy: (_to_largest(_to_largest(dy, row, rows), column, columns),)


def _largest(x: Array, along: Along) -> Array:
    """Each window's maximum; NaN if it holds one."""
    maximum = namespace_of(x).maximum
    best, *rest = along.taps(x, -float("inf"))
    for tap in rest:
        best = maximum(best, tap)
    return best


def _first_largest(x: Array, along: Along) -> tuple[Array, Array]:
    """Each window's maximum, and which of its elements that is: the first of equals, never padding, and the first NaN."""
    xp = namespace_of(x)
    best, *rest = along.taps(x, -float("inf"))
    # -inf in the image is no larger than the padding before it, so counting starts at the first element in the image
    first = [max(0, -(-(along.before - p * along.stride) // along.dilation)) for p in range(along.size)]
    index = along.shaped(first, x, xp.int32) + xp.zeros(best.shape, dtype=xp.int32, device=getattr(x, "device", None))
    for t, tap in enumerate(rest, 1):
        larger = (tap > best) | (xp.isnan(tap) & ~xp.isnan(best))
        best = xp.where(larger, tap, best)
        index = xp.where(larger, xp.full_like(index, t), index)
    return best, index


def _to_largest(dy: Array, index: Array, along: Along) -> Array:
    """The gradient of `_first_largest`."""
    xp = namespace_of(dy)
    zero = xp.zeros_like(dy)
    return along.untap([xp.where(index == t, dy, zero) for t in range(along.kernel)])


def _choose(parts: Sequence[Array], index: Array) -> Array:
    """``parts[index]``, element by element."""
    xp = namespace_of(index)
    chosen = parts[0]
    for t, part in enumerate(parts[1:], 1):
        chosen = xp.where(index == t, part, chosen)
    return chosen


def _starts(along: Along, like: Array) -> Array:
    """Where in the image each window starts."""
    return along.shaped([p * along.stride - along.before for p in range(along.size)], like, namespace_of(like).int32)


def _indices(x: Array) -> Array:
    """Integers as the library's own kind of index: int64 (int32 in JAX, unless it is told to use 64 bits)."""
    xp = namespace_of(x)
    return xp.astype(x, xp.asarray(0).dtype)


# -- average ------------------------------------------------------------------------------------------------------

def _infer_avg(shapes: Sequence, dtypes: Sequence, *, kernel_size: Pair, stride: Pair, padding: Pads, ceil_mode: bool,
               count_include_pad: bool, divisor_override: int | None) -> tuple:
    if not is_floating(dtypes[0]):
        need_floating("avg_pool2d", dtypes[0])
    if divisor_override == 0:
        raise ValueError("avg_pool2d got divisor_override=0; give another number to divide by, or None for the window's size")
    return ((pool2d_output_shape(shapes[0], kernel_size, stride, padding, ONE, ceil_mode, "avg_pool2d"), dtypes[0]),)


@op(infer=_infer_avg, role="pool")
def avg_pool2d(x: Array, *, needs: Sequence[bool], kernel_size: Pair, stride: Pair, padding: Pads, ceil_mode: bool,
               count_include_pad: bool, divisor_override: int | None) -> tuple:
    """The average of each window: (N, C, H, W) -> (N, C, P, Q).

    The sum is divided by `divisor_override`, or by the number of pixels in the window: those of the padded image, or with
    ``count_include_pad=False`` those of the image. Where `ceil_mode` lets a window hang over the padding, what is beyond
    is not counted.
    """
    xp, kind = namespace_of(x), x.dtype
    *_, P, Q = pool2d_output_shape(x.shape, kernel_size, stride, padding, ONE, ceil_mode)
    rows, columns = both(x.shape, kernel_size, stride, padding, ONE, (P, Q))
    counts = divisors(rows, columns, padding, count_include_pad, divisor_override)

    def divide(sums: Array) -> Array:
        if not isinstance(counts, tuple):
            return sums / counts
        return sums / (rows.shaped(counts[0], sums, sums.dtype) * columns.shaped(counts[1], sums, sums.dtype))

    y = xp.astype(divide(_total(_total(widen(x), columns), rows)), kind, copy=False)
    if not needs[0]:
        return y, None

    def backward(dy: Array) -> tuple:
        dx = divide(widen(dy))
        for along in (rows, columns):
            dx = along.untap([dx] * along.kernel)
        return (xp.astype(dx, kind, copy=False),)
    return y, backward


@lru_cache(256)
def divisors(rows: Along, columns: Along, padding: Pads, count_include_pad: bool, divisor_override: int | None) -> Any:
    """What each window's sum is divided by: one number, or a tuple of factors for the rows and one for the columns."""
    if divisor_override is not None:
        return divisor_override
    counts = []
    for along, (before, after) in zip((rows, columns), padding):
        least, most = (0, along.length) if not count_include_pad else (-before, along.length + after)
        starts = [p * along.stride - along.before for p in range(along.size)]
        counts.append(tuple(min(s + along.kernel, most) - max(s, least) for s in starts))
    if all(len(set(c)) == 1 for c in counts):
        return counts[0][0] * counts[1][0]
    return tuple(counts)


def _total(x: Array, along: Along) -> Array:
    """Each window's sum."""
    total, *rest = along.taps(x, 0)
    for tap in rest:
        total = total + tap
    return total


# -- adaptive -----------------------------------------------------------------------------------------------------

def _infer_adaptive(name: str, indices: bool = False) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, output_size: tuple) -> tuple:
        if not is_floating(dtypes[0]):
            need_floating(name, dtypes[0])
        if len(shapes[0]) != 4 or 0 in shapes[0][2:]:
            raise ValueError(f"{name} takes images of shape (N, C, H, W) with pixels; got {tuple(shapes[0])}")
        size = (*shapes[0][:2], *_adaptive_size(shapes[0], output_size))
        return ((size, dtypes[0]), (size, None)) if indices else ((size, dtypes[0]),)
    return infer


def _adaptive_size(shape: Sequence[int], output_size: tuple) -> Pair:
    P, Q = output_size
    return shape[2] if P is None else P, shape[3] if Q is None else Q


@op(infer=_infer_adaptive("adaptive_avg_pool2d"))
def adaptive_avg_pool2d(x: Array, *, needs: Sequence[bool], output_size: tuple[int | None, int | None]) -> tuple:
    """The averages of as many windows as `output_size` says: (N, C, H, W) -> (N, C, P, Q); ``None`` keeps a size.

    Window p holds the rows from ``floor(p H / P)`` up to ``ceil((p + 1) H / P)``.
    """
    xp, kind, (_, _, H, W) = namespace_of(x), x.dtype, x.shape
    P, Q = _adaptive_size(x.shape, output_size)

    def pooled(a: Array, axis: int, n: int, size: int, gradient: bool) -> Array:
        lengths = adaptive_lengths(n, size)
        even, count = len(set(lengths)) == 1, xp.asarray(lengths, dtype=a.dtype, device=getattr(a, "device", None))
        count = lengths[0] if even else xp.reshape(count, (-1, *(1,) * (3 - axis)))
        if gradient:
            return xp.sum(adaptive_windows(a / count, axis, n), axis=axis + 1)
        return xp.sum(adaptive_windows(a, axis, size), axis=axis + 1) / count

    y = xp.astype(pooled(pooled(widen(x), 3, W, Q, False), 2, H, P, False), kind, copy=False)
    if not needs[0]:
        return y, None
    return y, lambda dy: (xp.astype(pooled(pooled(widen(dy), 2, H, P, True), 3, W, Q, True), kind, copy=False),)


@op(infer=_infer_adaptive("adaptive_max_pool2d"))
def adaptive_max_pool2d(x: Array, *, needs: Sequence[bool], output_size: tuple[int | None, int | None]) -> tuple:
    """The maxima of as many windows as `output_size` says; windows as in `adaptive_avg_pool2d`, ties as in `max_pool2d`."""
    (y, _), backward = _adaptive_max(x, needs, output_size, False)
    return y, backward


@op(infer=_infer_adaptive("adaptive_max_pool2d", indices=True), outputs=2, differentiable=1)
def adaptive_max_pool2d_with_indices(x: Array, *, needs: Sequence[bool], output_size: tuple[int | None, int | None]) -> tuple:
    """`adaptive_max_pool2d`, and where in its image of H * W pixels each maximum is (int64)."""
    return _adaptive_max(x, needs, output_size, True)


def _adaptive_max(x: Array, needs: Sequence[bool], output_size: tuple, indices: bool) -> tuple:
    xp, (_, _, H, W) = namespace_of(x), x.shape
    P, Q = _adaptive_size(x.shape, output_size)
    lowest = -float("inf")
    if not needs[0] and not indices:
        return (xp.max(adaptive_windows(xp.max(adaptive_windows(x, 3, Q, lowest), axis=4), 2, P, lowest), axis=3), None), None

    def first_largest(a: Array, axis: int, n: int, size: int) -> tuple[Array, Array]:
        windows = adaptive_windows(a, axis, size, lowest)
        best = xp.max(windows, axis=axis + 1)
        hit = (windows == xp.expand_dims(best, axis=axis + 1)) | xp.isnan(windows)  # where best is NaN, only NaN hits
        start = xp.asarray([i * n // size for i in range(size)], dtype=xp.int32, device=getattr(a, "device", None))
        at = xp.argmax(xp.astype(hit, xp.int8), axis=axis + 1)
        return best, xp.astype(at, xp.int32) + xp.reshape(start, (-1, *(1,) * (3 - axis)))

    def to_largest(dy: Array, index: Array, axis: int, n: int) -> Array:
        dys, at = adaptive_windows(dy, axis, n), adaptive_windows(index, axis, n, -1)
        here = xp.reshape(xp.arange(n, dtype=xp.int32, device=getattr(dy, "device", None)), (-1, *(1,) * (4 - axis)))
        return xp.sum(xp.where(at == here, dys, xp.zeros_like(dys)), axis=axis + 1, dtype=dy.dtype)

    best, w = first_largest(x, 3, W, Q)
    y, h = first_largest(best, 2, H, P)
    flat = None
    if indices:
        here = xp.reshape(xp.arange(H, dtype=xp.int32, device=getattr(x, "device", None)), (-1, 1))
        chosen = adaptive_windows(here + xp.zeros_like(w), 2, P, -1) == xp.expand_dims(h, axis=3)
        windows = adaptive_windows(w, 2, P)
        column = xp.where(chosen, windows, xp.zeros_like(windows))
        flat = _indices(h * W + xp.sum(column, axis=3, dtype=w.dtype))
    if not needs[0]:
        return (y, flat), None
    return (y, flat), lambda dy: (to_largest(to_largest(dy, h, 2, H), w, 3, W),)
