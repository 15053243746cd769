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
from cnnkit.ops.broadcasting import broadcast_shape
from cnnkit.ops.core import op
from cnnkit.ops.gathering import is_signed, positions, take
from cnnkit.ops.window import dilate, pad_axis

Array = Any


@op
def getitem(x: Array, *, needs: Sequence[bool], index: Any) -> tuple:
    """x[index]: ints, slices, ellipsis, None, and integer arrays, lists or masks, which broadcast together.

    As in PyTorch, an int selects before arrays do, and the axes of arrays that are not neighbours come first.
    """
    slices, arrays = _plan(x, index)
    trivial = all(e == slice(None) for e in slices)
    y, shape = x if trivial else _slice(x, slices), tuple(x.shape)

    def unslice(dy: Array) -> tuple:
        return (dy if trivial else _unslice(dy, shape, slices),)
    if not arrays:
        return y, unslice if needs[0] else None
    y, back = _look_up(y, arrays, needs[0])
    return y, (lambda dy: unslice(back(dy))) if needs[0] else None


# -- what an index means -------------------------------------------------------------------------------------

def _plan(x: Array, index: Any) -> tuple[list, list]:
    """The slice that an index takes first, one entry for each axis of x and each new one, and its arrays.

    The arrays are (axis of the slice, positions) pairs: masks are turned into the positions where they hold.
    """
    shape, xp = tuple(x.shape), namespace_of(x)
    entries = [_entry(x, e) for e in (index if isinstance(index, tuple) else (index,))]
    used = sum(_axes(e) for e in entries)
    if used > len(shape):
        raise IndexError(f"got an index for {used} axes; the array of shape {shape} has {len(shape)}")
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can have one ellipsis (...) only")
    i = dots[0] if dots else len(entries)
    entries[i:i + 1] = [slice(None)] * (len(shape) - used)
    slices: list = []
    arrays: list[tuple[int, Array]] = []
    axis = made = 0  # axes of x, and of the slice
    for e in entries:
        after = axis + _axes(e)
        if isinstance(e, int) and not -shape[axis] <= e < shape[axis]:
            raise IndexError(f"index {e} is out of range for axis {axis} with size {shape[axis]}")
        if not is_array(e):
            slices.append(e)
            made += not isinstance(e, int)
        elif dtype_name(e.dtype) != "bool":
            slices.append(slice(None))
            arrays.append((made, positions(e, shape[axis], axis)))
            made += 1
        else:
            if tuple(e.shape) != shape[axis:after]:
                raise IndexError(f"a mask of shape {tuple(e.shape)} does not fit an array of shape {shape}; "
                                 f"from axis {axis} on it needs {shape[axis:axis + max(e.ndim, 1)]}")
            slices += [slice(None)] * e.ndim if e.ndim else [None]
            for found in xp.nonzero(e if e.ndim else xp.reshape(e, (1,))):
                arrays.append((made, found))
                made += 1
        axis = after
    return slices, arrays


def _axes(entry: Any) -> int:
    """How many axes of x an entry is about."""
    if entry is None or entry is Ellipsis:
        return 0
    return entry.ndim if is_array(entry) and dtype_name(entry.dtype) == "bool" else 1


def _entry(x: Array, entry: Any) -> Any:
    """One entry as an int, a slice, ``None``, an ellipsis, or an array: of bool, or of signed integers."""
    if entry is None or entry is Ellipsis:
        return entry
    if isinstance(entry, slice):
        return slice(*(None if end is None else operator.index(end)
                       for end in (entry.start, entry.stop, entry.step)))
    backend, device = backend_of(x), device_of(x)
    if isinstance(entry, bool):
        return backend.asarray(entry, "bool", device)
    if isinstance(entry, Integral):
        return operator.index(entry)
    if isinstance(entry, list | tuple | range):
        entry = backend.hosted(entry)
        if not entry.size:
            return backend.asarray(entry, "int64", device)
    if not is_array(entry):
        raise IndexError("an index is made of ints, slices, ..., None, and integer or bool arrays; "
                         f"got {type(entry).__name__} {entry!r:.40}")
    name = dtype_name(entry.dtype)
    if name not in ("bool", "uint8") and not is_signed(entry.dtype):
        raise IndexError("an index array is of int64 (or smaller signed integers), or a mask of bool; "
                         f"got {name}. Convert it with .to(dtype='int64')")
    if (owner := backend_of(entry)) is not backend:
        if not owner.host:
            raise TypeError(f"getitem got an array of backend {backend.name!r} and an index of "
                            f"{owner.name!r}; move one with Tensor.to({backend.name!r})")
        entry = backend.asarray(entry, None, device)
    if name == "uint8":
        warnings.warn("an index of uint8 is a mask, as in PyTorch; make it bool, or int64 for positions, "
                      "with .to(dtype=...)", stacklevel=2)
        return namespace_of(x).astype(entry, backend.dtype("bool"))
    return entry if entry.ndim or name == "bool" else int(entry)


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
    y = x[tuple(positive)]
    return namespace_of(x).flip(y, axis=tuple(flipped)) if flipped else y


def _unslice(dy: Array, shape: tuple[int, ...], entries: list) -> Array:
    """The gradient of a slice: dy with zeros around and between."""
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
