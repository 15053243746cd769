"""Look-ups by loops: the ground truth for `take`, `scatter_add` and `take_along_axis`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["scatter_add", "scatter_add_gradients", "take", "take_along_axis", "take_along_axis_gradients",
           "take_gradients"]

Array = np.ndarray


def source(place: tuple[int, ...], index: Array, axis: int) -> tuple[int, ...]:
    """Where the slice that `place` is in comes from: the position of its number along `axis`."""
    return (*place[:axis], int(index[place[axis]]), *place[axis + 1:])


def take(x: Array, index: Array, *, axis: int) -> Array:
    """Y[..., i, ...] = X[..., index[i], ...]."""
    axis %= x.ndim
    y = np.zeros((*x.shape[:axis], len(index), *x.shape[axis + 1:]))
    for place in np.ndindex(y.shape):
        y[place] = x[source(place, index, axis)]
    return y


def take_gradients(dy: Array, x: Array, index: Array, *, axis: int) -> tuple[Any, ...]:
    """dX[..., index[i], ...] is the sum of all dY[..., i, ...]."""
    return scatter_add(dy, index, axis=axis, size=x.shape[axis]), None


def scatter_add(dy: Array, index: Array, *, axis: int, size: int) -> Array:
    """Y[..., index[i], ...] is the sum of all dY[..., i, ...]."""
    axis %= dy.ndim
    y = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1:]))
    for place in np.ndindex(dy.shape):
        y[source(place, index, axis)] += dy[place]
    return y


def scatter_add_gradients(d: Array, dy: Array, index: Array, *, axis: int, size: int) -> tuple[Any, ...]:
    """What was added to a place gets that place's gradient."""
    return take(d, index, axis=axis), None


def along(x: Array, index: Array, axis: int) -> dict[tuple[int, ...], tuple[int, ...]]:
    """For each place of the result of `take_along_axis`, where in x it comes from."""
    shape = [m if i == axis else max(n, m) if 0 not in (n, m) else 0
             for i, (n, m) in enumerate(zip(x.shape, index.shape))]
    places = {}
    for place in np.ndindex(*shape):
        position = index[tuple(p if n > 1 else 0 for p, n in zip(place, index.shape))]
        places[place] = tuple(int(position) % n if i == axis else p if n > 1 else 0
                              for i, (p, n) in enumerate(zip(place, x.shape)))
    return places


def take_along_axis(x: Array, index: Array, *, axis: int) -> Array:
    """Y[..., i, ...] = X[..., index[..., i, ...], ...]."""
    places = along(x, index, axis % x.ndim)
    shape = np.broadcast_shapes(index.shape, tuple(1 if i == axis % x.ndim else n
                                                   for i, n in enumerate(x.shape)))
    y = np.zeros(shape)
    for place, origin in places.items():
        y[place] = x[origin]
    return y


def take_along_axis_gradients(dy: Array, x: Array, index: Array, *, axis: int) -> tuple[Any, ...]:
    """Each place of X gets the sum of the gradients of those that were taken from it."""
    dx = np.zeros(x.shape)
    for place, origin in along(x, index, axis % x.ndim).items():
        dx[origin] += dy[place]
    return dx, None
