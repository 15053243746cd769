"""NumPy's activations: few passes over memory, and in place in arrays that the kernel has made.

`np.where` mispredicts a branch for every other element of a random mask (40 ms for 4 M elements, a product
with the mask 9 ms), so masks are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit.backends import decline

BITS: dict[int, np.dtype] = {2: np.dtype("int16"), 4: np.dtype("int32"), 8: np.dtype("int64")}


def masked(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`values` where the mask holds, else 0, even for infinities and NaN: bits are multiplied by 0 or 1."""
    bits = mask.view(np.int8).astype(BITS[values.itemsize])
    np.multiply(bits, values.view(bits.dtype), out=bits)
    return bits.view(values.dtype)


def relu(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """max(x, 0); y != 0 says where the gradient passes, for NaN too."""
    if not x.ndim:
        return decline("an array without axes")  # a ufunc makes a scalar of it
    y = np.maximum(x, 0)
    return y, (lambda dy: (masked(dy, y != 0),)) if needs[0] else None


def leaky_relu(x: np.ndarray, *, needs: Sequence[bool], negative_slope: float) -> tuple:
    """max(x, slope * x), which holds for slopes from 0 to 1; at 0 an infinite x would give NaN."""
    if not 0 < negative_slope <= 1 or not x.ndim:
        return decline(f"a slope of {negative_slope}, {x.ndim} axes; it serves slopes in (0, 1], and axes")
    y = x * negative_slope
    np.maximum(x, y, out=y)

    def backward(dy: np.ndarray) -> tuple:
        factor = (x > 0).astype(x.dtype)
        factor *= 1 - negative_slope
        factor += negative_slope
        factor *= dy
        return (factor,)
    return y, backward if needs[0] else None


def sigmoid(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """1 / (1 + exp(-x)): where exp overflows to infinity, the result is 0 as it should be."""
    if not x.ndim:
        return decline("an array without axes")
    y = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)

    def backward(dy: np.ndarray) -> tuple:
        dx = 1 - y
        dx *= y
        dx *= dy
        return (dx,)
    return y, backward if needs[0] else None


def tanh(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """Hyperbolic tangent."""
    if not x.ndim:
        return decline("an array without axes")
    y = np.tanh(x)

    def backward(dy: np.ndarray) -> tuple:
        dx = y * y
        np.subtract(1, dx, out=dx)
        dx *= dy
        return (dx,)
    return y, backward if needs[0] else None


def softmax(x: np.ndarray, *, needs: Sequence[bool], axis: int) -> tuple:
    """exp(x - max) / sum."""
    if x.size == 0 or x.itemsize == 2:
        return decline(f"{x.dtype} of shape {x.shape}; it serves 4 or 8 bytes an element, and no empty array")
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN, as in PyTorch, without a warning
        y = x - np.maximum.reduce(x, axis, keepdims=True)
        np.exp(y, out=y)
        y /= np.add.reduce(y, axis, keepdims=True)

    def backward(dy: np.ndarray) -> tuple:
        dx = dy * y
        dx -= y * np.add.reduce(dx, axis, keepdims=True)
        return (dx,)
    return y, backward if needs[0] else None


def log_softmax(x: np.ndarray, *, needs: Sequence[bool], axis: int) -> tuple:
    """x - max - log(sum(exp(x - max)))."""
    if x.size == 0 or x.itemsize == 2:
        return decline(f"{x.dtype} of shape {x.shape}; it serves 4 or 8 bytes an element, and no empty array")
    with np.errstate(invalid="ignore", over="ignore"):
        y = x - np.maximum.reduce(x, axis, keepdims=True)
        y -= np.log(np.add.reduce(np.exp(y), axis, keepdims=True))

    def backward(dy: np.ndarray) -> tuple:
        dx = np.exp(y)
        dx *= np.add.reduce(dy, axis, keepdims=True)
        return (np.subtract(dy, dx, out=dx),)
    return y, backward if needs[0] else None
