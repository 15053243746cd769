"""ReLU, leaky ReLU and addition on memory that is used again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.layout import dense_like, in_order_of
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT


def relu(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """max(x, 0); the gradient at 0 is 0, and NaN stays NaN."""
    if x.dtype != FLOAT:
        return NotImplemented
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
        return NotImplemented
    x, y = dense_like(x)
    library.active.leaky_relu_forward(library.threads, x.size, negative_slope, address(x), address(y))
    return y, (lambda dy: (_leaky_gradient(y, dy, negative_slope),)) if needs[0] else None


def _leaky_gradient(y: np.ndarray, dy: np.ndarray, slope: float) -> np.ndarray:
    dy, dx = in_order_of(y, dy), dense_like(y)[1]
    library.active.leaky_relu_backward(library.threads, y.size, slope, address(y), address(dy), address(dx))
    return dx


def then_leaky_relu(found: tuple, slope: float) -> tuple:
    """What a kernel has found, its result and its gradients' function, with leaky ReLU after it; the result is overwritten."""
    y, backward = found
    library.active.leaky_relu_forward(library.threads, y.size, slope, address(y), address(y))
    return y, None if backward is None else lambda dy: backward(_leaky_gradient(y, dy, slope))


def add(x: Any, y: Any, *, needs: Sequence[bool]) -> tuple:
    """x + y, of one shape."""
    if not (type(x) is type(y) is np.ndarray) or x.shape != y.shape or x.dtype != FLOAT or y.dtype != FLOAT or x.size < 4096:
        return NotImplemented
    x, z = dense_like(x)
    y = in_order_of(x, y)
    library.active.add_arrays(library.threads, x.size, address(x), address(y), address(z))
    return z, (lambda dz: (dz if needs[0] else None, dz if needs[1] else None)) if True in needs else None
