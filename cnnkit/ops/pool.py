"""Pooling ops: max and average, with as many spatial axes as `kernel_size` has numbers.

A maximum or a sum over a window is taken along its last axis first, then along the axis before, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating, narrow, need_floating, widen
from cnnkit.ops.window import Pads, Sizes, pad_axis, taps, untap
from cnnkit.shapes import pool_output_shape

Array = Any


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

    def shaped(self, values: Sequence[Any], like: Array, dtype: Any) -> Array:
        """One value for each window, as an array that broadcasts against the windows of `like`."""
        values = namespace_of(like).asarray(values, dtype=dtype, device=getattr(like, "device", None))
        return namespace_of(like).reshape(values, (-1, *(1,) * (like.ndim - self.axis - 1)))


def along_axes(shape: Sequence[int], kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes,
               size: Sequence[int]) -> tuple[Along, ...]:
    """The windows along each spatial axis of images of `shape`."""
    return tuple(Along(axis, shape[axis], k, s, d, before, n) for axis, (k, s, (before, _), d, n) in
                 enumerate(zip(kernel_size, stride, padding, dilation, size), 2))


# -- maximum -------------------------------------------------------------------------------------------------

def _infer_max(shapes: Sequence, dtypes: Sequence, *, kernel_size: Sizes, stride: Sizes, padding: Pads,
               dilation: Sizes, ceil_mode: bool) -> tuple:
    if not is_floating(dtypes[0]):
        need_floating(f"max_pool{len(kernel_size)}d", dtypes[0])
    return ((pool_output_shape(shapes[0], kernel_size, stride, padding, dilation, ceil_mode, "max_pool"),
             dtypes[0]),)


def _infer_max_with_indices(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
    result, = _infer_max(shapes, dtypes, **attrs)
    return result, (result[0], None)


@op(infer=_infer_max, role="pool", sums=True)
def max_pool(x: Array, *, needs: Sequence[bool], kernel_size: Sizes, stride: Sizes, padding: Pads,
             dilation: Sizes, ceil_mode: bool) -> tuple:
    """The largest element of each window: (N, C, H, W) -> (N, C, P, Q).

    The gradient goes to the first largest element; a NaN is larger than everything, padding smaller.
    """
    size = pool_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)[2:]
    axes = along_axes(x.shape, kernel_size, stride, padding, dilation, size)
    if needs[0]:
        y, argmaxima = _maximum_and_argmaxima(x, axes)
        return y, _max_backward(argmaxima)
    for along in reversed(axes):
        x = _largest(x, along)
    return x, None


@op(infer=_infer_max_with_indices, outputs=2, differentiable=1, sums=True)
def max_pool_with_indices(x: Array, *, needs: Sequence[bool], kernel_size: Sizes, stride: Sizes,
                          padding: Pads, dilation: Sizes, ceil_mode: bool) -> tuple:
    """`max_pool`, and each maximum's position in its image of H * W pixels (int64; -1 in padding alone)."""
    xp = namespace_of(x)
    size = pool_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)[2:]
    axes = along_axes(x.shape, kernel_size, stride, padding, dilation, size)
    y, argmaxima = _maximum_and_argmaxima(x, axes)
    positions: list = []  # positions along the axes pooled so far, the first axis of the image first
    for along, index in argmaxima:
        positions = [_choose(along.taps(position, 0), index) for position in positions]
        positions.insert(0, index * along.dilation + _starts(along, x))
    inside: Any = True
    flat_index: Any = 0
    for along, position in zip(axes, positions):
        inside = inside & (position < along.length)
        flat_index = flat_index * along.length + as_indices(position)
    indices = xp.where(inside, flat_index, xp.full_like(flat_index, -1))
    return (y, indices), _max_backward(argmaxima) if needs[0] else None


def _maximum_and_argmaxima(x: Array, axes: Sequence[Along]) -> tuple[Array, list[tuple[Along, Array]]]:
    """Each window's maximum, and its index within the window along each axis, the last axis first."""
    argmaxima = []
    for along in reversed(axes):
        x, index = _first_largest(x, along)
        argmaxima.append((along, index))
    return x, argmaxima


def _max_backward(argmaxima: Sequence[tuple[Along, Array]]) -> Any:
    """The backward of `_maximum_and_argmaxima`."""
    def backward(dy: Array, *_: None) -> tuple:
        dx = widen(dy)  # windows that overlap add up
        for along, index in reversed(argmaxima):
            dx = _to_largest(dx, index, along)
        return (narrow(dx, dy.dtype),)
    return backward


def _largest(x: Array, along: Along) -> Array:
    """Each window's maximum; NaN if it holds one."""
    maximum = namespace_of(x).maximum
    best, *rest = along.taps(x, -float("inf"))
    for tap in rest:
        best = maximum(best, tap)
    return best


def _first_largest(x: Array, along: Along) -> tuple[Array, Array]:
    """Each window's maximum, and the index of its element: the first of equals or of NaNs, never padding."""
    xp = namespace_of(x)
    best, *rest = along.taps(x, -float("inf"))
    # -inf in the image is no larger than the padding before it, so counting starts at the first
    # element in the image
    first = [max(0, -(-(along.before - p * along.stride) // along.dilation)) for p in range(along.size)]
    zeros = xp.zeros(best.shape, dtype=xp.int32, device=getattr(x, "device", None))
    index = along.shaped(first, x, xp.int32) + zeros
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
    return along.shaped([p * along.stride - along.before for p in range(along.size)], like,
                        namespace_of(like).int32)


def as_indices(x: Array) -> Array:
    """Integers as the library's own kind of index: int64 (int32 in JAX, unless it is told to use 64 bits)."""
    xp = namespace_of(x)
    return xp.astype(x, xp.asarray(0).dtype)


# -- average -------------------------------------------------------------------------------------------------

def _infer_avg(shapes: Sequence, dtypes: Sequence, *, kernel_size: Sizes, stride: Sizes, padding: Pads,
               ceil_mode: bool, count_include_pad: bool, divisor_override: int | None) -> tuple:
    if not is_floating(dtypes[0]):
        need_floating(f"avg_pool{len(kernel_size)}d", dtypes[0])
    if divisor_override == 0:
        raise ValueError(f"avg_pool{len(kernel_size)}d got divisor_override=0; "
                         "give another number to divide by, or None for the window's size")
    dilation = (1,) * len(kernel_size)
    return ((pool_output_shape(shapes[0], kernel_size, stride, padding, dilation, ceil_mode, "avg_pool"),
             dtypes[0]),)


def _infer_avg_input(shapes: Sequence, dtypes: Sequence, *, size: Sizes, **window: Any) -> tuple:
    x = (*shapes[0][:2], *size)
    ((made, _),) = _infer_avg((x,), dtypes, **window)
    if made != tuple(shapes[0]):
        raise ValueError(f"avg_pool_input got a gradient of shape {tuple(shapes[0])}; "
                         f"a pooling of {x} gives {made}")
    return ((x, dtypes[0]),)


@op(infer=_infer_avg, role="pool", sums=True)
def avg_pool(x: Array, *, needs: Sequence[bool], kernel_size: Sizes, stride: Sizes, padding: Pads,
             ceil_mode: bool, count_include_pad: bool, divisor_override: int | None) -> tuple:
    """The average of each window: (N, C, H, W) -> (N, C, P, Q).

    The sum is divided by `divisor_override`, or by the number of pixels in the window: those of the padded
    image, or with ``count_include_pad=False`` those of the image. Where `ceil_mode` lets a window hang over
    the padding, what is beyond is not counted.
    """
    size, dtype = tuple(x.shape[2:]), x.dtype
    axes = _averaged_axes(x.shape, kernel_size, stride, padding, ceil_mode)
    y = widen(x)
    for along in reversed(axes):
        y = _total(y, along)
    y = _divided(y, axes, padding, count_include_pad, divisor_override)
    y = namespace_of(x).astype(y, dtype, copy=False)
    if not needs[0]:
        return y, None
    window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
              "count_include_pad": count_include_pad, "divisor_override": divisor_override}
    return y, lambda dy: (avg_pool_input(dy, size=size, **window)[0][0],)


@op(infer=_infer_avg_input, sums=True)
def avg_pool_input(dy: Array, *, needs: Sequence[bool], size: Sizes, kernel_size: Sizes, stride: Sizes,
                   padding: Pads, ceil_mode: bool, count_include_pad: bool,
                   divisor_override: int | None) -> tuple:
    """The input's gradient of `avg_pool`: (N, C, P, Q) to (N, C, H, W), images of `size` (H, W)."""
    axes = _averaged_axes((*dy.shape[:2], *size), kernel_size, stride, padding, ceil_mode)
    dx = _divided(widen(dy), axes, padding, count_include_pad, divisor_override)
    for along in axes:
        dx = along.untap([dx] * along.kernel)
    dx = namespace_of(dy).astype(dx, dy.dtype, copy=False)
    window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
              "count_include_pad": count_include_pad, "divisor_override": divisor_override}
    return dx, (lambda d: (avg_pool(d, **window)[0][0],)) if needs[0] else None


def _averaged_axes(shape: Sequence[int], kernel_size: Sizes, stride: Sizes, padding: Pads,
                   ceil_mode: bool) -> tuple[Along, ...]:
    dilation = (1,) * len(kernel_size)
    size = pool_output_shape(shape, kernel_size, stride, padding, dilation, ceil_mode)[2:]
    return along_axes(shape, kernel_size, stride, padding, dilation, size)


def _divided(sums: Array, axes: Sequence[Along], padding: Pads, count_include_pad: bool,
             divisor_override: int | None) -> Array:
    """Each window's sum over its divisor."""
    counts = divisors(axes, padding, count_include_pad, divisor_override)
    if not isinstance(counts, tuple):
        return sums / counts
    first, *others = (along.shaped(count, sums, sums.dtype) for along, count in zip(axes, counts))
    for factor in others:
        first = first * factor
    return sums / first


@lru_cache(256)
def divisors(axes: Sequence[Along], padding: Pads, count_include_pad: bool,
             divisor_override: int | None) -> Any:
    """What each window's sum is divided by: one number, or a tuple of factors for each axis."""
    if divisor_override is not None:
        return divisor_override
    counts = []
    for along, (before, after) in zip(axes, padding):
        low, high = (0, along.length) if not count_include_pad else (-before, along.length + after)
        starts = [p * along.stride - along.before for p in range(along.size)]
        counts.append(tuple(min(start + along.kernel, high) - max(start, low) for start in starts))
    if all(len(set(c)) == 1 for c in counts):
        return prod(c[0] for c in counts)
    return tuple(counts)


def _total(x: Array, along: Along) -> Array:
    """Each window's sum."""
    total, *rest = along.taps(x, 0)
    for tap in rest:
        total = total + tap
    return total
