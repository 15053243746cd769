"""ReLU, leaky ReLU and addition on memory that is used again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.backends import Call, decline
from cnnkit_cpu import library
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import dense_like, in_order_of
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT


def relu(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """max(x, 0); the gradient at 0 is 0, and NaN stays NaN."""
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")
    owner, (x, y) = library.active, dense_like(x)
    owner.relu_forward(library.threads, x.size, address(x), address(y))

    def backward(dy: np.ndarray) -> tuple:
        dy, dx = in_order_of(y, dy), dense_like(y)[1]
        owner.relu_backward(library.threads, y.size, address(y), address(dy), address(dx))
        return (dx,)
    return y, backward if needs[0] else None


def leaky_relu(x: np.ndarray, *, needs: Sequence[bool], negative_slope: float) -> tuple:
    """x where x > 0, elsewhere negative_slope * x."""
    if x.dtype != FLOAT or negative_slope <= 0:
        return decline(f"{x.dtype} and a slope of {negative_slope}; it serves float32 and positive slopes")
    x, y = dense_like(x)
    library.active.leaky_relu_forward(library.threads, x.size, negative_slope, address(x), address(y))
    return y, (lambda dy: (_leaky_gradient(y, dy, negative_slope),)) if needs[0] else None


def _leaky_gradient(y: np.ndarray, dy: np.ndarray, slope: float) -> np.ndarray:
    dy, dx = in_order_of(y, dy), dense_like(y)[1]
    library.active.leaky_relu_backward(library.threads, y.size, slope, address(y), address(dy), address(dx))
    return dx


def then(result: tuple, activation: Call) -> tuple:
    """A kernel's result, (output, backward), with an activation after it.

    Leaky ReLU overwrites the output, to which nobody else refers yet.
    """
    if result is NotImplemented:
        return result
    y, backward = result
    slope = activation.attrs.get("negative_slope", 0)
    if activation.op.name == "leaky_relu" and slope > 0:
        library.active.leaky_relu_forward(library.threads, y.size, slope, address(y), address(y))
        return y, None if backward is None else lambda dy: backward(_leaky_gradient(y, dy, slope))
    if backward is not None and not tame(y):
        return decline("NaN, whose derivative also those get that are not the largest of their window")
    (z,), through = activation.op(y, needs=(backward is not None,), **activation.attrs)
    return z, None if backward is None else lambda dy: backward(through(dy)[0])


def add(x: Any, y: Any, *, needs: Sequence[bool]) -> tuple:
    """x + y, of one shape."""
    if (not (type(x) is type(y) is np.ndarray) or x.shape != y.shape or x.dtype != FLOAT or y.dtype != FLOAT
            or x.size < 4096):
        return decline("it serves two float32 arrays of one shape with 4,096 elements or more")
    x, z = dense_like(x)
    y = in_order_of(x, y)
    library.active.add_arrays(library.threads, x.size, address(x), address(y), address(z))
    return z, (lambda dz: (dz if needs[0] else None, dz if needs[1] else None)) if True in needs else None
