"""Indexing by PyTorch's rules: x[index] is a slice of x, and then a look-up if the index has arrays or masks.

Nothing is assigned into any array.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from math import prod
from numbers import Integral
from typing import Any

from cnnkit.backends import backend_of, dtype_name, namespace_of
from cnnkit.foreign import device_of, is_array
from cnnkit.ops import strides
from cnnkit.ops.broadcasting import broadcast_shape
from cnnkit.ops.core import op
from cnnkit.ops.gathering import is_signed, positions, take
from cnnkit.ops.window import dilate, pad_axis

Array = Any


@op(saves={}, view=strides.indexed)
def getitem(x: Array, *, needs: Sequence[bool], index: Any) -> tuple:
    """x[index]: ints, slices, ellipsis, None, and integer arrays, lists or masks, which broadcast together.

    As in PyTorch, an int selects before arrays do, and the axes of arrays that are not neighbours come first.
    """
    slices, arrays = _plan(x, index)
    y, shape = _slice(x, slices), tuple(x.shape)
    if not arrays:
        return y, (lambda dy: (_unslice(dy, shape, slices),)) if needs[0] else None
    y, back = _look_up(y, arrays, needs[0])
    return y, (lambda dy: (_unslice(back(dy), shape, slices),)) if needs[0] else None


# -- what an index means -------------------------------------------------------------------------------------

INT, SLICE, NEW, DOTS, POSITIONS, MASK = range(6)  # kinds of entries
WHOLE = slice(None)


def _plan(x: Array, index: Any) -> tuple[list, list]:
    """The slice that an index takes first, one entry for each axis of x and each new one, and its arrays.

    The arrays are (axis of the slice, positions) pairs: masks are turned into the positions where they hold.
    """
    shape, xp = tuple(x.shape), namespace_of(x)
    entries = [_entry(x, e) for e in (index if isinstance(index, tuple) else (index,))]
    used = sum(axes for _, _, axes in entries)
    if used > len(shape):
        raise IndexError(f"got an index for {used} axes; the array of shape {shape} has {len(shape)}")
    dots = [i for i, (kind, _, _) in enumerate(entries) if kind == DOTS]
    if len(dots) > 1:
        raise IndexError("an index can have one ellipsis (...) only")
    if used < len(shape) or dots:
        i = dots[0] if dots else len(entries)
        entries[i:i + 1] = [(SLICE, WHOLE, 1)] * (len(shape) - used)
    slices: list = []
    arrays: list[tuple[int, Array]] = []
    axis = made = 0  # axes of x, and of the slice
    for kind, e, axes in entries:
        if kind == INT:
            if not -shape[axis] <= e < shape[axis]:
                raise IndexError(f"index {e} is out of range for axis {axis} with size {shape[axis]}")
            slices.append(e)
        elif kind == POSITIONS:
            arrays.append((made, positions(e, shape[axis], axis)))
            slices.append(WHOLE)
        elif kind == MASK:
            if tuple(e.shape) != shape[axis:axis + axes]:
                raise IndexError(f"a mask of shape {tuple(e.shape)} does not fit an array of shape {shape}; "
                                 f"from axis {axis} on it needs {shape[axis:axis + axes]}")
            found = xp.nonzero(e if axes else xp.reshape(e, (1,)))
            arrays += [(made + i, where) for i, where in enumerate(found)]
            slices += [WHOLE] * axes if axes else [None]
        else:
            slices.append(e)
        made += max(axes, 1) if kind != INT else 0
        axis += axes
    return slices, arrays


def _entry(x: Array, entry: Any) -> tuple[int, Any, int]:
    """One entry: its kind, its value, and of how many axes of x it is."""
    if entry is None:
        return NEW, entry, 0
    if entry is Ellipsis:
        return DOTS, entry, 0
    if isinstance(entry, slice):
        ends = entry.start, entry.stop, entry.step
        return SLICE, slice(*[end if end is None else operator.index(end) for end in ends]), 1
    if isinstance(entry, bool):
        return MASK, backend_of(x).asarray(entry, "bool", device_of(x)), 0
    if isinstance(entry, Integral):
        return INT, operator.index(entry), 1
    backend = backend_of(x)
    if isinstance(entry, list | tuple | range):
        entry = backend.hosted(entry)
        if not entry.size:
            return POSITIONS, backend.asarray(entry, "int64", device_of(x)), 1
    if not is_array(entry):
        raise IndexError("an index is made of ints, slices, ..., None, and integer or bool arrays; "
                         f"got {type(entry).__name__} {entry!r:.40}")
    signed, name = is_signed(entry.dtype), ""
    if not signed and (name := dtype_name(entry.dtype)) not in ("bool", "uint8"):
        raise IndexError("an index array is of int64 (or smaller signed integers), or a mask of bool; "
                         f"got {name}. Convert it with .to(dtype='int64')")
    if (owner := backend_of(entry)) is not backend:
        if not owner.host:
            raise TypeError(f"getitem got an array of backend {backend.name!r} and an index of "
                            f"{owner.name!r}; move one with Tensor.to({backend.name!r})")
        entry = backend.asarray(entry, None, device_of(x))
    if signed:
        return (POSITIONS, entry, 1) if entry.ndim else (INT, int(entry), 1)
    if name == "uint8":
        warnings.warn("an index of uint8 is a mask, as in PyTorch; make it bool, or int64 for positions, "
                      "with .to(dtype=...)", stacklevel=2)
        entry = namespace_of(x).astype(entry, backend.dtype("bool"))
    return MASK, entry, entry.ndim


# -- slices --------------------------------------------------------------------------------------------------

def _slice(x: Array, entries: list) -> Array:
    """A slice of every axis; a negative step is made of a flip, for the libraries that lack it (PyTorch)."""
    axis, made, positive, flipped = 0, 0, [], []
    for e in entries:
        if isinstance(e, slice) and e.step is not None and e.step < 0:
            chosen = range(*e.indices(x.shape[axis]))
            e = slice(chosen[-1], chosen[0] + 1, -e.step) if chosen else slice(0, 0)
            flipped.append(made)
        positive.append(e)
        axis, made = axis + (e is not None), made + (not isinstance(e, int))
    y = x[(*positive, ...)]  # without the ellipsis NumPy makes a scalar of one element
    return namespace_of(x).flip(y, axis=tuple(flipped)) if flipped else y


def _unslice(dy: Array, shape: tuple[int, ...], entries: list) -> Array:
    """The gradient of a slice: dy with zeros around and between."""
    if all(e == WHOLE for e in entries):
        return dy
    xp, entries = namespace_of(dy), [e for e in entries if e is not None]
    dy = xp.reshape(dy, tuple(1 if isinstance(e, int) else len(range(*e.indices(n)))
                              for e, n in zip(entries, shape)))
    for axis, (e, n) in enumerate(zip(entries, shape)):
        start, step = (e % n, 1) if isinstance(e, int) else e.indices(n)[::2]
        if dy.shape[axis] == 0:
            return xp.zeros(shape, dtype=dy.dtype, device=device_of(dy))
        if step < 0:
            dy, start, step = xp.flip(dy, axis=axis), start + step * (dy.shape[axis] - 1), -step
        dy = dilate(dy, axis, step)
        dy = pad_axis(dy, axis, start, n - start - dy.shape[axis])
    return dy


# -- look-ups ------------------------------------------------------------------------------------------------

def _look_up(y: Array, arrays: list[tuple[int, Array]], needed: bool) -> tuple[Array, Callable]:
    """The elements of y at positions along some of its axes, which are joined into one, and the way back."""
    xp, shape = namespace_of(y), tuple(y.shape)
    axes = [axis for axis, _ in arrays]
    try:
        chosen = broadcast_shape("index", [tuple(index.shape) for _, index in arrays])
    except ValueError as error:
        raise IndexError(str(error)) from None
    first, order = axes[0], None
    if axes != list(range(first, first + len(axes))):  # they are no neighbours: in front
        others = [axis for axis in range(len(shape)) if axis not in axes]
        first, order = 0, (*axes, *others)
        y = xp.permute_dims(y, order)
    moved, last, flat = tuple(y.shape), first + len(axes), 0
    for (_, index), n in zip(arrays, moved[first:last]):
        flat = flat * n + index
    joined = (*moved[:first], prod(moved[first:last]), *moved[last:])
    (rows,), back = take(xp.reshape(y, joined), xp.reshape(flat, (-1,)), needs=(needed, False), axis=first)

    def backward(dy: Array) -> Array:
        dx, _ = back(xp.reshape(dy, tuple(rows.shape)))  # type: ignore[misc]
        dx = xp.reshape(dx, moved)
        return dx if order is None else xp.permute_dims(dx, tuple(order.index(i) for i in range(len(order))))
    return xp.reshape(rows, (*joined[:first], *chosen, *joined[first + 1:])), backward
