"""Ops that move elements and change none: copies, dtypes, shapes, joining and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops import strides
from cnnkit.ops.broadcasting import unbroadcast
from cnnkit.ops.core import op
from cnnkit.ops.unary import elementwise
from cnnkit.ops.window import pad_axis

Array = Any


@elementwise(from_dy=lambda xp, dy: dy, integers=True, torch="torch.clone")
def clone(xp: Any, x: Array) -> Array:
    """A copy."""
    return xp.asarray(x, copy=True)


@op(saves={})
def cast(x: Array, *, needs: Sequence[bool], dtype: Any) -> tuple:
    """x converted to another dtype."""
    xp, old_dtype = namespace_of(x), x.dtype
    return xp.astype(x, dtype), (lambda dy: (xp.astype(dy, old_dtype),)) if needs[0] else None


def _infer_reshape(shapes: Sequence, dtypes: Sequence, *, shape: tuple[int, ...]) -> tuple:
    old_shape, count, product = tuple(shapes[0]), math.prod(shapes[0]), math.prod(shape)
    if product < 0 and count % product == 0 and shape.count(-1) == 1:  # the one -1 makes the product negative
        shape = tuple([count // -product if n == -1 else n for n in shape])
        product = count
    if product != count or (shape and min(shape) < 0):
        raise ValueError(f"cannot reshape {old_shape} ({count} elements) to {shape}")
    return ((shape, dtypes[0]),)


@op(infer=_infer_reshape, torch="torch.reshape", saves={}, view=strides.reshaped)
def reshape(x: Array, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """The same elements, in C order, with another shape."""
    xp, old_shape = namespace_of(x), tuple(x.shape)
    return xp.reshape(x, shape), (lambda dy: (xp.reshape(dy, old_shape),)) if needs[0] else None


def _infer_permute(shapes: Sequence, dtypes: Sequence, *, axes: tuple[int, ...]) -> tuple:
    ndim = len(shapes[0])
    if any(not -ndim <= a < ndim for a in axes):
        raise IndexError(f"permute got axes {axes} for an array of shape {tuple(shapes[0])}")
    if sorted(a % ndim if ndim else a for a in axes) != list(range(ndim)):
        raise ValueError(f"permute got axes {axes} for an array of shape {tuple(shapes[0])}; "
                         "each axis must come once")
    return ((tuple(shapes[0][a] for a in axes), dtypes[0]),)


@op(infer=_infer_permute, torch="torch.permute", torch_names={"axes": "dims"}, saves={},
    view=strides.permuted)
def permute(x: Array, *, needs: Sequence[bool], axes: tuple[int, ...]) -> tuple:
    """The axes in another order."""
    xp = namespace_of(x)
    axes = tuple(a % x.ndim for a in axes)
    inverse = tuple(axes.index(i) for i in range(len(axes)))
    return xp.permute_dims(x, axes), (lambda dy: (xp.permute_dims(dy, inverse),)) if needs[0] else None


def _infer_expand(shapes: Sequence, dtypes: Sequence, *, shape: tuple[int, ...]) -> tuple:
    old_shape = tuple(shapes[0])
    aligned = (1,) * (len(shape) - len(old_shape)) + old_shape
    if len(shape) < len(old_shape) or any(n not in (-1, old) and old != 1 for n, old in zip(shape, aligned)):
        raise ValueError(f"expand cannot stretch {old_shape} to {tuple(shape)}: only axes of size 1 stretch, "
                         "and new ones come first")
    return ((tuple(old if n == -1 else n for n, old in zip(shape, aligned)), dtypes[0]),)


@op(infer=_infer_expand, saves={}, view=strides.expanded)
def expand(x: Array, *, needs: Sequence[bool], shape: tuple[int, ...]) -> tuple:
    """Broadcast to `shape`; -1 keeps a size."""
    xp = namespace_of(x)
    extra = len(shape) - x.ndim
    shape = tuple(x.shape[i - extra] if n == -1 else n for i, n in enumerate(shape))
    return xp.broadcast_to(x, shape), (lambda dy: (unbroadcast(dy, x),)) if needs[0] else None


@op(permuted=lambda order, axis=0: {"axis": order.index(axis % len(order))}, saves={})
def concat(*arrays: Array, needs: Sequence[bool], axis: int = 0) -> tuple:
    """Arrays joined along an axis that exists."""
    xp = namespace_of(arrays[0])
    axis %= arrays[0].ndim
    joined = xp.concat(list(arrays), axis=axis)
    if not any(needs):
        return joined, None

    def backward(dy: Array) -> tuple:
        dxs, start = [], 0
        for array, needs_gradient in zip(arrays, needs):
            index = (slice(None),) * axis + (slice(start, start + array.shape[axis]),)
            start += array.shape[axis]
            dxs.append(dy[index + (slice(None),) * (dy.ndim - axis - 1)] if needs_gradient else None)
        return tuple(dxs)
    return joined, backward


@op(permuted=lambda order, pads, value=0.0: {"pads": tuple([pads[axis] for axis in order]), "value": value},
    saves={})
def pad(x: Array, *, needs: Sequence[bool], pads: tuple[tuple[int, int], ...], value: float = 0.0) -> tuple:
    """Constant values around each axis; negative amounts take elements away."""
    y = x
    for axis, (before, after) in enumerate(pads):
        if before or after:
            y = pad_axis(y, axis, before, after, value)
    if y is x:
        y = namespace_of(x).asarray(x, copy=True)

    def backward(dy: Array) -> tuple:
        for axis, (before, after) in enumerate(pads):
            if before or after:
                dy = pad_axis(dy, axis, -before, -after)
        return (dy,)
    return y, backward if needs[0] else None
