"""Ops that move elements: Reshape, Flatten, Transpose, Concat, Slice, Expand, Pad, Gather, Cast."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.backends import decline, dtype_name
from cnnkit_onnx.drawing import constant, drawn, op, var_of

Array = Any
ENDLESS = np.iinfo(np.int64).max
EDGES = {"reflect": "reflect", "replicate": "edge"}


def origin(x: Array) -> Array:
    """What an array is a reshaped copy of, or itself: of two reshapes only the last counts."""
    return vars(x).get("reshaped_from", x)


def reshape(x: Array, *, shape: tuple[int, ...]) -> Any:
    """Flatten or Reshape; nothing where the shape is the same."""
    size = x.size
    if -1 in shape:
        rest = -int(np.prod(shape))
        shape = tuple(size // rest if n == -1 and rest else n for n in shape)
    if 0 in shape or -1 in shape:
        return decline("an empty array")
    first = origin(x)
    if tuple(first.shape) == tuple(shape):
        return first
    if first.ndim > 2 and shape == (first.shape[0], size // first.shape[0]):
        y = drawn(op.flatten(var_of(first), axis=1))
    else:
        y = drawn(op.reshape(var_of(first), constant(shape, "int64")))
    y.reshaped_from = first
    return y


def permute(x: Array, *, axes: tuple[int, ...]) -> Any:
    """Transpose."""
    return drawn(op.transpose(var_of(x), perm=[axis % x.ndim for axis in axes]))


def concat(*arrays: Array, axis: int = 0) -> Any:
    """Concat."""
    if any(array.dtype != arrays[0].dtype for array in arrays):
        return decline("several dtypes")
    return drawn(op.concat([var_of(array) for array in arrays], axis=axis % arrays[0].ndim))


def expand(x: Array, *, shape: tuple[int, ...]) -> Any:
    """Expand."""
    extra = len(shape) - x.ndim
    shape = tuple(x.shape[i - extra] if n == -1 else n for i, n in enumerate(shape))
    return x if shape == tuple(x.shape) else drawn(op.expand(var_of(x), constant(shape, "int64")))


def getitem(x: Array, *, index: Any) -> Any:
    """Slice, Squeeze and Unsqueeze, for ints and slices."""
    entries = index if isinstance(index, tuple) else (index,)
    if not all(entry is None or entry is Ellipsis or type(entry) in (int, slice) for entry in entries):
        return decline("an index of arrays")
    used = sum(type(entry) in (int, slice) for entry in entries)
    dots = entries.index(Ellipsis) if Ellipsis in entries else len(entries)
    if used > x.ndim or entries.count(Ellipsis) > 1:
        return decline("a wrong index")
    entries = (*entries[:dots], *[slice(None)] * (x.ndim - used), *entries[dots + 1:])
    kept: list[tuple[int, int, int, int]] = []  # start, stop, axis and step
    gone: list[int] = []
    new: list[int] = []
    axis = made = 0
    for entry in entries:
        if entry is None:
            new.append(made)
            made += 1
            continue
        n, whole = x.shape[axis], False
        # as they are written, and not counted from the start: the size may be another when the graph runs
        if isinstance(entry, int):
            if not -n <= entry < n:
                return decline("a position that is not there")
            start, stop, step = entry, ENDLESS if entry == -1 else entry + 1, 1
            gone.append(axis)
        else:
            chosen = range(*entry.indices(n))
            start, stop, step = entry.start or 0, entry.stop, entry.step or 1
            if not chosen or step < 0:
                return decline("an empty or reversed slice")
            whole = len(chosen) == n and (axis > 0 or (start == 0 and stop is None))
            stop = ENDLESS if stop is None else stop
            made += 1
        if not whole:
            kept.append((start, stop, axis, step))
        axis += 1
    y = var_of(x)
    if kept:
        y = op.slice(y, *(constant(values, "int64") for values in zip(*kept)))
    if gone:
        y = op.squeeze(y, constant(gone, "int64"))
    if new:
        y = op.unsqueeze(y, constant(new, "int64"))
    return drawn(y) if kept or gone or new else x


def pad(x: Array, *, pads: tuple[tuple[int, int], ...], value: float = 0.0) -> Any:
    """Pad with a number."""
    amounts = [before for before, _ in pads] + [after for _, after in pads]
    if not any(amounts):
        return x
    return drawn(op.pad(var_of(x), constant(amounts, "int64"), constant(value, x.dtype)))


def pad_edges(x: Array, *, pads: tuple[tuple[int, int], ...], mode: str) -> Any:
    """Pad with the array's own elements."""
    amounts = [before for before, _ in pads] + [after for _, after in pads]
    if mode not in EDGES or min(amounts) < 0:
        return decline(f"mode {mode!r}, or amounts below 0")
    return drawn(op.pad(var_of(x), constant(amounts, "int64"), mode=EDGES[mode]))


def take(x: Array, index: Array, *, axis: int) -> Any:
    """Gather."""
    return drawn(op.gather(var_of(x), var_of(index), axis=axis % x.ndim))


def scatter_add(dy: Array, index: Array, *, axis: int, size: int) -> Any:
    """ScatterND that adds, along the first axis."""
    if 0 in dy.shape or not size:
        return decline("an empty array")
    axis %= dy.ndim
    order = [axis, *(a for a in range(dy.ndim) if a != axis)]
    rows = op.transpose(var_of(dy), perm=order)
    nothing = op.expand(constant(0, dy.dtype), constant([size, *(dy.shape[a] for a in order[1:])], "int64"))
    places = op.reshape(var_of(index, "int64"), constant([-1, 1], "int64"))
    sums = op.scatter_nd(nothing, places, rows, reduction="add")
    return drawn(op.transpose(sums, perm=[order.index(a) for a in range(dy.ndim)]))


def cast(x: Array, *, dtype: Any) -> Any:
    """Cast."""
    return x if dtype_name(x.dtype) == dtype_name(dtype) else drawn(
        op.cast(var_of(x), to=np.dtype(dtype_name(dtype))))
