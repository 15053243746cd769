"""Padding with an array's own elements: mirrored, repeated or wrapped around; `shaping.pad` takes a number.

Each of the two ops is the other's backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import narrow, widen
from cnnkit.ops.window import Pads, pad_axis

__all__ = ["MODES", "pad_edges", "pad_edges_input"]

Array = Any
MODES = ("reflect", "replicate", "circular")


def _infer(shapes: Sequence, dtypes: Sequence, *, pads: Pads, mode: str) -> tuple:
    shape = tuple(shapes[0])
    if mode not in MODES:
        raise ValueError(f"pad has the modes constant, {', '.join(MODES)}; got {mode!r}")
    if len(pads) != len(shape):
        raise ValueError(f"pad_edges needs a pair of amounts for each axis; got {pads} for shape {shape}")
    for axis, (n, (before, after)) in enumerate(zip(shape, pads)):
        if n + min(before, after, before + after, 0) < 0 or (n == 0 and (before or after)):
            raise ValueError(f"pad by {(before, after)} does not fit axis {axis} of shape {shape}: it has "
                             f"{n} element{'' if n == 1 else 's'}")
        if mode == "reflect" and max(before, after) >= n > 0:
            raise ValueError(f"pad by {(before, after)} with mode='reflect' needs more than "
                             f"{max(before, after)} elements along axis {axis}; shape {shape} has {n}. Pad "
                             "less, or use mode='replicate'")
        inside = n + min(before, 0) + min(after, 0)
        if mode == "circular" and (inside < 0 or max(before, after) > inside):
            raise ValueError(f"pad by {(before, after)} with mode='circular' would wrap around axis {axis} "
                             f"of shape {shape} more than once. Pad at most {max(inside, 0)}")
    return ((tuple(n + before + after for n, (before, after) in zip(shape, pads)), dtypes[0]),)


def _infer_input(shapes: Sequence, dtypes: Sequence, *, pads: Pads, mode: str) -> tuple:
    shape = tuple(n - before - after for n, (before, after) in zip(shapes[0], pads))
    _infer((shape,), dtypes, pads=pads, mode=mode)
    return ((shape, dtypes[0]),)


@op(infer=_infer, saves={})
def pad_edges(x: Array, *, needs: Sequence[bool], pads: Pads, mode: str) -> tuple:
    """Elements of x itself around each axis; negative amounts take elements away.

    Parameters
    ----------
    x : array
        Any shape and dtype.
    pads : tuple of pairs
        How many elements come before and after each axis.
    mode : {"reflect", "replicate", "circular"}
        Mirrored at the first and last element, which are not repeated; the first and last element again and
        again; or wrapped around, so that the last elements come before the first.
    """
    y = x
    for axis, (before, after) in enumerate(pads):
        if before or after:
            y = _padded(y, axis, before, after, mode)
    if y is x:
        y = namespace_of(x).asarray(x, copy=True)
    return y, (lambda dy: (pad_edges_input(dy, pads=pads, mode=mode)[0][0],)) if needs[0] else None


@op(infer=_infer_input, sums=True, saves={})
def pad_edges_input(dy: Array, *, needs: Sequence[bool], pads: Pads, mode: str) -> tuple:
    """The input's gradient of `pad_edges`: what was put around an axis is added to where it came from."""
    dx = widen(dy)
    for axis, (before, after) in enumerate(pads):
        if before or after:
            dx = _unpadded(dx, axis, before, after, mode)
    dx = narrow(dx, dy.dtype)
    if dx is dy:
        dx = namespace_of(dy).asarray(dy, copy=True)
    return dx, (lambda d: (pad_edges(d, pads=pads, mode=mode)[0][0],)) if needs[0] else None


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return x[(*(slice(None),) * axis, slice(start, stop), ...)]


def _padded(x: Array, axis: int, before: int, after: int, mode: str) -> Array:
    xp, n = namespace_of(x), x.shape[axis]
    inside = _part(x, axis, max(-before, 0), max(n - max(-after, 0), 0))
    source = inside if mode == "circular" else x
    n, parts = source.shape[axis], [inside]
    for amount, first in ((before, True), (after, False)):
        if amount > 0:
            if mode == "replicate":
                edge = _part(x, axis, 0, 1) if first else _part(x, axis, n - 1, n)
                block = xp.broadcast_to(edge, (*x.shape[:axis], amount, *x.shape[axis + 1:]))
            elif mode == "reflect":
                block = xp.flip(_part(x, axis, 1, amount + 1) if first
                                else _part(x, axis, n - 1 - amount, n - 1), axis=axis)
            else:
                block = _part(source, axis, n - amount, n) if first else _part(source, axis, 0, amount)
            parts = [block, *parts] if first else [*parts, block]
    return xp.concat(parts, axis=axis) if len(parts) > 1 else inside


def _unpadded(dy: Array, axis: int, before: int, after: int, mode: str) -> Array:
    """The gradient of `_padded`."""
    xp = namespace_of(dy)
    first = _part(dy, axis, 0, max(before, 0))
    last = _part(dy, axis, dy.shape[axis] - max(after, 0), dy.shape[axis])
    dx = _part(dy, axis, max(before, 0), dy.shape[axis] - max(after, 0))
    if mode != "circular":  # elements that were taken away are mirrored and repeated too
        dx = pad_axis(dx, axis, max(-before, 0), max(-after, 0))
    if mode == "replicate":
        first, last = (xp.sum(block, axis=axis, keepdims=True) for block in (first, last))
    elif mode == "reflect":
        first, last = xp.flip(first, axis=axis), xp.flip(last, axis=axis)
    size = dx.shape[axis]
    if before > 0:
        dx = _added(dx, first, axis, {"replicate": 0, "reflect": 1, "circular": size - before}[mode])
    if after > 0:
        dx = _added(dx, last, axis, {"replicate": size - 1, "reflect": size - 1 - after, "circular": 0}[mode])
    return pad_axis(dx, axis, max(-before, 0), max(-after, 0)) if mode == "circular" else dx


def _added(x: Array, block: Array, axis: int, start: int) -> Array:
    """x with a block added to its elements from `start` on."""
    stop = start + block.shape[axis]
    parts = [_part(x, axis, 0, start), _part(x, axis, start, stop) + block,
             _part(x, axis, stop, x.shape[axis])]
    return namespace_of(x).concat([part for part in parts if part.shape[axis]], axis=axis)
