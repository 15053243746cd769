"""Indexing: x[index], and its gradient, without assigning into any array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.window import dilate, pad_axis

Array = Any


@op
def getitem(x: Array, *, needs: Sequence[bool], index: Any) -> tuple:
    """x[index]: ints, slices, ellipsis, None, an integer array or a mask."""
    entries = index if isinstance(index, tuple) else (index,)
    if all(e is None or e is Ellipsis or isinstance(e, slice | int) for e in entries):
        used = len([e for e in entries if e is not None and e is not Ellipsis])
        if Ellipsis not in entries and used < x.ndim:
            entries = (*entries, Ellipsis)  # the standard requires an index to cover every axis
        return _slice(x, entries), (lambda dy: (_unslice(dy, tuple(x.shape), entries),)) if needs[0] else None
    return _gather(x, index), (lambda dy: (_scatter_add(dy, x, index),)) if needs[0] else None


def _slice(x: Array, entries: tuple) -> Array:
    """A basic index, with negative steps made of a flip for the libraries that lack them (PyTorch)."""
    if not any(isinstance(e, slice) and e.step is not None and e.step < 0 for e in entries):
        return x[entries]
    ellipsis = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
    positive, flipped, axis, result_axis = [], [], 0, 0
    for i, e in enumerate(entries):
        if i == ellipsis:
            skipped = x.ndim - len([f for f in entries if f is not None and f is not Ellipsis])
            axis, result_axis = axis + skipped, result_axis + skipped
        elif isinstance(e, slice) and e.step is not None and e.step < 0:
            chosen = range(*e.indices(x.shape[axis]))
            positive.append(slice(chosen[-1], chosen[0] + 1, -e.step) if chosen else slice(0, 0))
            flipped.append(result_axis)
            axis, result_axis = axis + 1, result_axis + 1
            continue
        else:
            axis, result_axis = axis + (e is not None), result_axis + (not isinstance(e, int))
        positive.append(e)
    return namespace_of(x).flip(x[tuple(positive)], axis=tuple(flipped))


def _unslice(dy: Array, shape: tuple[int, ...], entries: tuple) -> Array:
    """The gradient of a basic index: dy with zeros around and between."""
    xp = namespace_of(dy)
    used = len([e for e in entries if e is not None and e is not Ellipsis])
    full: list = []
    for e in entries:
        full += [slice(None)] * (len(shape) - used) if e is Ellipsis else [] if e is None else [e]
    dy = xp.reshape(dy, tuple(1 if isinstance(e, int) else len(range(*e.indices(n)))
                              for e, n in zip(full, shape)))
    for axis, (e, n) in enumerate(zip(full, shape)):
        start, step = (e % n, 1) if isinstance(e, int) else e.indices(n)[::2]
        if dy.shape[axis] == 0:
            return xp.zeros(shape, dtype=dy.dtype, device=getattr(dy, "device", None))
        if step < 0:
            dy, start, step = xp.flip(dy, axis=axis), start + step * (dy.shape[axis] - 1), -step
        dy = dilate(dy, axis, step)
        dy = pad_axis(dy, axis, start, n - start - dy.shape[axis])
    return dy


def _gather(x: Array, index: Any) -> Array:
    """Index by arrays: positions along the first axis, a mask, or whatever else the library takes."""
    if hasattr(index, "dtype") and dtype_name(index.dtype) != "bool":
        xp = namespace_of(x)
        rows = xp.take(x, xp.reshape(index, (-1,)), axis=0)
        return xp.reshape(rows, (*index.shape, *x.shape[1:]))
    return x[index]


def _scatter_add(dy: Array, x: Array, index: Any) -> Array:
    """The gradient of an index by arrays: a matrix product with one-hot rows, in blocks of bounded size."""
    xp, device = namespace_of(x), getattr(x, "device", None)
    size = math.prod(x.shape)
    targets = xp.reshape(_gather(xp.reshape(xp.arange(size, device=device), tuple(x.shape)), index), (-1,))
    values, positions = xp.reshape(dy, (1, -1)), xp.arange(size, device=device)
    total = xp.zeros((1, size), dtype=dy.dtype, device=device)
    count = targets.shape[0]
    block = 1 + (1 << 22) // (size + 1)
    for start in range(0, count, block):
        end = min(start + block, count)
        one_hot = xp.astype(xp.expand_dims(targets[start:end], axis=1) == xp.expand_dims(positions, axis=0),
                            dy.dtype)
        total = total + xp.matmul(values[:, start:end], one_hot)
    return xp.reshape(total, tuple(x.shape))
