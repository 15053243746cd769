"""Arrays with some elements replaced: what assignments and changes in place of views are made of.

No array is written that anybody else holds: each result is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from cnnkit.backends import backend_of, namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.broadcasting import broadcast_shape, unbroadcast
from cnnkit.ops.core import OPS, op
from cnnkit.ops.indexing import getitem
from cnnkit.ops.strides import contiguous, indexed, selects

__all__ = ["index_put", "read", "replace_view", "write"]

Array = Any
Path = Sequence[tuple[str, Mapping[str, Any]]]  # names of ops, with attributes, that make a view of an array


def read(array: Array, path: Path) -> Array:
    """The view of an array that some ops make, one after the other.

    >>> import numpy
    >>> read(numpy.arange(6), [("getitem", {"index": slice(1, 3)})])
    array([1, 2])
    """
    for name, attrs in path:
        array, _ = OPS[name].generic(array, needs=(False,), **attrs)
    return array


def write(array: Array, values: Array, path: Path) -> Array:
    """A copy of an array with the view replaced that some ops make of it.

    >>> import numpy
    >>> write(numpy.arange(4), numpy.asarray([7, 8]), [("getitem", {"index": slice(1, 3)})])
    array([0, 7, 8, 3])
    """
    if _is_copied(array, path):
        return _put_at(array, lambda whole: read(whole, path), values)
    return backend_of(array).assign(array, lambda whole: read(whole, path), values)


def _is_copied(array: Array, path: Path) -> bool:
    """Whether an array library makes a copy where PyTorch makes a view, or one that is read-only."""
    if any(name == "expand" or ("index" in attrs and not selects(attrs["index"])) for name, attrs in path):
        return True
    in_order = backend_of(array).axis_order(array) == tuple(range(array.ndim))
    return not in_order and any(name == "reshape" for name, _ in path)


@op(saves={})
def replace_view(x: Array, values: Array, *, needs: Sequence[bool], path: Path) -> tuple:
    """x with the view replaced that `path`, ops with their attributes, makes of it."""
    y = write(x, values, path)
    if not any(needs):
        return y, None

    def backward(dy: Array) -> tuple:
        part = read(dy, path)
        return (write(dy, namespace_of(dy).zeros_like(part), path) if needs[0] else None,
                part if needs[1] else None)
    return y, backward


def _select(index: Any) -> Callable[[Array], Array]:
    return lambda whole: read(whole, [("getitem", {"index": index})])


def _put(x: Array, index: Any, values: Array) -> Array:
    """x with ``x[index]`` replaced by values that broadcast to it."""
    shape, backend = tuple(x.shape), backend_of(x)
    if indexed(shape, contiguous(shape), index=index) is not None:
        return backend.assign(x, _select(index), values)
    return _put_at(x, _select(index), values)


def _put_at(x: Array, select: Callable[[Array], Array], values: Array) -> Array:
    """x with ``select(x)`` replaced, whose positions `select` finds in an array of all."""
    xp, shape, backend = namespace_of(x), tuple(x.shape), backend_of(x)
    places = xp.reshape(xp.arange(prod(shape), dtype=backend.dtype("int64"), device=device_of(x)), shape)
    chosen = select(places)
    values = xp.broadcast_to(values, tuple(chosen.shape))
    return xp.reshape(backend.put(xp.reshape(x, (-1,)), xp.reshape(chosen, (-1,)), xp.reshape(values, (-1,))),
                      shape)


@op(saves={}, torch="")
def index_put(x: Array, values: Array, *, needs: Sequence[bool], index: Any) -> tuple:
    """x with ``x[index]`` replaced; see `getitem` for indices.

    Parameters
    ----------
    x : array
        Of any shape and dtype.
    values : array or number
        What broadcasts to ``x[index]``; it is converted to the dtype of x.
    index
        Ints, slices, None, ellipsis, integer arrays, and masks. Of positions that come twice one counts.
    """
    xp, select = namespace_of(x), _select(index)
    given = tuple(getattr(values, "shape", ()))
    original = getattr(values, "dtype", x.dtype)
    if not hasattr(values, "dtype"):
        values = xp.asarray(values, dtype=x.dtype, device=device_of(x))
    elif original != x.dtype:
        values = xp.astype(values, x.dtype)
    shape = tuple(select(x).shape)
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = xp.reshape(values, tuple(values.shape[1:]))
    fitting = values
    if broadcast_shape("index_put", (shape, tuple(values.shape))) != shape:
        raise ValueError(f"values of shape {tuple(values.shape)} do not fit what the index selects, "
                         f"of shape {shape}")
    y = _put(x, index, values)
    if not any(needs):
        return y, None

    def backward(dy: Array) -> tuple:
        zero = namespace_of(dy).zeros((), dtype=dy.dtype, device=device_of(dy))
        dx, d_values = _put(dy, index, zero) if needs[0] else None, None
        if needs[1]:
            d_values = xp.reshape(unbroadcast(getitem(dy, index=index)[0][0], fitting), given)
            d_values = d_values if original == dy.dtype else xp.astype(d_values, original)
        return dx, d_values
    return y, backward
