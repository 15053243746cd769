"""Interpolation by loops: the ground truth for `resample`, from a matrix of all weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["resample", "resample_gradients", "resample_input", "resample_input_gradients"]

Array = np.ndarray


def keys(x: float, a: float) -> float:
    """The cubic convolution kernel."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


KERNELS = {"linear": lambda x: max(1 - abs(x), 0.0), "cubic": lambda x: keys(x, -0.5),
           "lanczos": lambda x: float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0}


def matrix(length: int, size: int, mode: str, align_corners: bool, scale: float | None,
           antialias: bool) -> Array:
    """What part of each of `length` elements each of `size` is: (size, length)."""
    weights = np.zeros((size, length))
    for i in range(size):
        step = 1 / scale if scale else length / size
        if align_corners:
            step = (length - 1) / (size - 1) if size > 1 else 0.0
        if mode.startswith("nearest"):
            weights[i, min(math.floor((i + 0.5 * (mode == "nearest-exact")) * step), length - 1)] = 1
        elif antialias:
            for j in range(length):
                weights[i, j] = KERNELS[mode]((j + 0.5 - step * (i + 0.5)) / max(step, 1.0))
            weights[i] /= weights[i].sum()
        else:
            place = step * i if align_corners else step * (i + 0.5) - 0.5
            if mode == "linear":
                place = min(max(place, 0.0), length - 1)
            for j in range(-3, length + 3):  # beyond an end there is the last element again
                part = max(1 - abs(place - j), 0.0) if mode == "linear" else keys(place - j, -0.75)
                weights[i, min(max(j, 0), length - 1)] += part
    return weights


def along(weights: Array, x: Array, axis: int) -> Array:
    """Each element of the result: the sum of those of x along an axis, times their weights."""
    y = np.zeros((*x.shape[:axis], len(weights), *x.shape[axis + 1:]))
    for index in np.ndindex(y.shape):
        for j in np.flatnonzero(weights[index[axis]]):
            y[index] += weights[index[axis], j] * x[(*index[:axis], j, *index[axis + 1:])]
    return y


def resample(x: Array, *, axis: int, size: int, **settings: Any) -> Array:
    """Y[i] = the sum over j of M[i, j] X[j]."""
    return along(matrix(x.shape[axis], size, **settings), x, axis)


def resample_gradients(dy: Array, x: Array, *, axis: int, size: int, **settings: Any) -> tuple[Any, ...]:
    """dX[j] = the sum over i of M[i, j] dY[i]."""
    return (along(matrix(x.shape[axis], size, **settings).T, dy, axis),)


def resample_input(dy: Array, *, axis: int, length: int, **settings: Any) -> Array:
    """X[j] = the sum over i of M[i, j] Y[i]."""
    return along(matrix(length, dy.shape[axis], **settings).T, dy, axis)


def resample_input_gradients(d: Array, dy: Array, *, axis: int, length: int, **settings: Any) -> tuple[Any,
                             ...]:
    """dY[i] = the sum over j of M[i, j] dX[j]."""
    return (along(matrix(length, dy.shape[axis], **settings), d, axis),)
