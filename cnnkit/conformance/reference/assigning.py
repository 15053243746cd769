"""Replaced elements by loops: the ground truth for `index_put` and `replace_view`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["index_put", "index_put_gradients", "replace_view", "replace_view_gradients"]

Array = np.ndarray
Path = Sequence[tuple[str, dict[Any, Any]]]
NUMPY = {"permute": "transpose", "reshape": "reshape"}


def fitting(values: Any, places: Array) -> Array:
    """Values without the axes of size 1 that are too many."""
    values = np.asarray(values)
    return values.reshape(values.shape[max(values.ndim - places.ndim, 0):])


def put(x: Array, places: Array, values: Any) -> Array:
    """X with one number after the other replaced, by position in C order."""
    y = x.copy()
    for place, value in zip(places.ravel(), np.broadcast_to(fitting(values, places), places.shape).ravel()):
        y[np.unravel_index(place, x.shape)] = value
    return y


def put_gradients(dy: Array, places: Array, values: Any) -> tuple[Any, ...]:
    """What was replaced has no gradient; what came in its place has it, summed where it was broadcast."""
    dx = dy.copy()
    d_values = np.zeros(np.shape(values))
    sources = np.broadcast_to(fitting(np.arange(d_values.size).reshape(d_values.shape), places), places.shape)
    for place, origin in zip(places.ravel(), sources.ravel()):
        target = np.unravel_index(place, dy.shape)
        d_values[np.unravel_index(origin, d_values.shape)] += dy[target]
        dx[target] = 0
    return dx, None if isinstance(values, int | float) else d_values


def numbered(x: Array) -> Array:
    """The position of each element, in C order."""
    return np.arange(x.size).reshape(x.shape)


def index_put(x: Array, values: Any, *, index: Any) -> Array:
    """X with X[index] replaced."""
    return put(x, numbered(x)[index], values)


def index_put_gradients(dy: Array, x: Array, values: Any, *, index: Any) -> tuple[Any, ...]:
    """dX is dY without what was replaced."""
    return put_gradients(dy, numbered(x)[index], values)


def seen(x: Array, path: Path) -> Array:
    """The positions that a view shows."""
    places = numbered(x)
    for name, attrs in path:
        (given,) = attrs.values()
        places = places[given] if name == "getitem" else getattr(places, NUMPY[name])(given)
    return np.asarray(places)


def replace_view(x: Array, values: Array, *, path: Path) -> Array:
    """X with a view of it replaced."""
    return put(x, seen(x, path), values)


def replace_view_gradients(dy: Array, x: Array, values: Array, *, path: Path) -> tuple[Any, ...]:
    """dX is dY without what was replaced."""
    return put_gradients(dy, seen(x, path), values)
