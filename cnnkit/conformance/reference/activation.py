"""Activations, softmax and dropout, element by element: the ground truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnnkit.conformance.reference import dual
from cnnkit.conformance.reference.dual import Dual
from cnnkit.conformance.reference.formula import Formula

__all__ = ["FORMULAS", "dropout", "dropout_gradients", "log_softmax", "log_softmax_gradients", "softmax",
           "softmax_gradients"]

Array = np.ndarray


def elementwise(function: Callable[..., float], *arrays: Array) -> Array:
    """`function` of the arrays' elements, one position after the other."""
    result = np.zeros(arrays[0].shape)
    for index in np.ndindex(result.shape):
        result[index] = function(*(a[index] for a in arrays))
    return result


def sigmoid(x: Dual) -> Dual:
    """1 / (1 + e^-x), written so that nothing overflows."""
    return 1 / (1 + dual.exp(-x)) if x >= 0 else dual.exp(x) / (1 + dual.exp(x))


MINUS_INF = ("infinities",)  # there -inf * 0 is NaN in PyTorch, and 0 in some libraries

FORMULAS = {
    "celu": Formula(lambda x, alpha: x if x > 0 else alpha * dual.expm1(x / alpha), ({"alpha": 1.5},)),
    "elu": Formula(lambda x, alpha: x if x > 0 else alpha * dual.expm1(x), ({"alpha": 1.5},)),
    "gelu": Formula(lambda x, approximate: x * (1 + dual.erf(x / 2**0.5)) / 2 if approximate == "none" else
                    x * sigmoid((8 / math.pi) ** 0.5 * x * (1 + 0.044715 * x * x)), without=MINUS_INF),
    "hardshrink": Formula(lambda x, lambd: 0.0 if -lambd <= x <= lambd else x, ({"lambd": 0.5},), "exact"),
    "hardsigmoid": Formula(lambda x: 0.0 if x <= -3 else (x + 3) / 6 if x < 3 else 1.0 if x >= 3 else x),
    "hardswish": Formula(lambda x: 0.0 if x <= -3 else x * (x + 3) / 6 if x < 3 else x, without=MINUS_INF),
    "hardtanh": Formula(lambda x, min_val, max_val:
                        min_val if x <= min_val else max_val if x >= max_val else x,
                        ({"min_val": -1.0, "max_val": 1.0}, {"min_val": 0.0, "max_val": 6.0}), "exact"),
    "leaky_relu": Formula(lambda x, negative_slope: x if x > 0 else negative_slope * x,
                          ({"negative_slope": 0.1}, {"negative_slope": -0.5}), "rounding"),
    "logsigmoid": Formula(lambda x: x - dual.log1p(dual.exp(x)) if x < 0 else -dual.log1p(dual.exp(-x))),
    "mish": Formula(lambda x: x * dual.tanh(dual.log1p(dual.exp(x)) if x < 99 else x), without=MINUS_INF),
    "relu": Formula(lambda x: 0.0 if x <= 0 else x, tolerance="exact"),
    "selu": Formula(lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * dual.expm1(x))),
    "sigmoid": Formula(sigmoid),
    "silu": Formula(lambda x: x * sigmoid(x), without=MINUS_INF),
    "softplus": Formula(lambda x, beta, threshold: x if x * beta > threshold else
                        (dual.log1p(dual.exp(x * beta)) if x < 0 else
                         x * beta + dual.log1p(dual.exp(-x * beta))) / beta,
                        ({"beta": 1.0, "threshold": 20.0}, {"beta": 2.0, "threshold": 1.0})),
    "softshrink": Formula(lambda x, lambd: x - lambd if x > lambd else x + lambd if x < -lambd else x * 0,
                          ({"lambd": 0.5},), "rounding"),
    "softsign": Formula(lambda x: x / (1 + abs(x)), without=("infinities",)),  # inf / inf is NaN
    "tanh": Formula(dual.tanh),
    "tanhshrink": Formula(lambda x: x - dual.tanh(x)),
    "threshold": Formula(lambda x, threshold, value: value if x <= threshold else x,
                         ({"threshold": 0.5, "value": -2.0},), "exact"),
}


def rows(x: Array, axis: int) -> Iterator[tuple[Any, ...]]:
    """The index of every line of x along `axis`."""
    axis %= x.ndim
    for index in np.ndindex(*x.shape[:axis], *x.shape[axis + 1:]):
        yield (*index[:axis], slice(None), *index[axis:])


def log_softmax(x: Array, *, axis: int) -> Array:
    """x - log(sum(e^x)), shifted by the largest x."""
    y = np.zeros(x.shape)
    for row in rows(x, axis):
        top = max(x[row])
        total = top + math.log(sum(math.exp(v - top) for v in x[row]))
        y[row] = [v - total for v in x[row]]
    return y


def softmax(x: Array, *, axis: int) -> Array:
    """e^x / sum(e^x)."""
    return elementwise(math.exp, log_softmax(x, axis=axis))


def softmax_gradients(dy: Array, x: Array, *, axis: int) -> tuple[Any, ...]:
    """dx[i] = sum over j of dy[j] y[j] ((i == j) - y[i]): the Jacobian, entry by entry."""
    y, dx = softmax(x, axis=axis), np.zeros(x.shape)
    for row in rows(x, axis):
        for i in range(len(y[row])):
            dx[row][i] = sum(d * p * ((i == j) - y[row][i]) for j, (d, p) in enumerate(zip(dy[row], y[row])))
    return (dx,)


def log_softmax_gradients(dy: Array, x: Array, *, axis: int) -> tuple[Any, ...]:
    """dx[i] = sum over j of dy[j] ((i == j) - softmax(x)[i])."""
    y, dx = softmax(x, axis=axis), np.zeros(x.shape)
    for row in rows(x, axis):
        for i in range(len(y[row])):
            dx[row][i] = sum(d * ((i == j) - y[row][i]) for j, d in enumerate(dy[row]))
    return (dx,)


# -- dropout -------------------------------------------------------------------------------------------------

def threefry(key: tuple[int, int], counter: int) -> tuple[int, int]:
    """Threefry-2x32-20 of one 64-bit counter, on Python integers (Salmon et al. 2011, section 3.1)."""
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    low = ((counter & 0xFFFFFFFF) + keys[0]) & 0xFFFFFFFF
    high = ((counter >> 32) + keys[1]) & 0xFFFFFFFF
    for n in range(20):
        rotation = (13, 15, 26, 6, 17, 29, 16, 24)[n % 8]
        low = (low + high) & 0xFFFFFFFF
        high = (((high << rotation) | (high >> (32 - rotation))) & 0xFFFFFFFF) ^ low
        if n % 4 == 3:
            turn = n // 4 + 1
            low = (low + keys[turn % 3]) & 0xFFFFFFFF
            high = (high + keys[(turn + 1) % 3] + turn) & 0xFFFFFFFF
    return low, high


def dropout_mask(shape: tuple[int, ...], p: float, key: tuple[int, int]) -> Array:
    """Element i is kept if the top 24 bits of word i % 2 of counter i // 2 are below (1 - p) 2^24."""
    mask = np.zeros(shape, dtype=bool)
    for i, index in enumerate(np.ndindex(shape)):
        mask[index] = threefry(key, i // 2)[i % 2] >> 8 < round((1 - p) * 2**24)
    return mask


def dropout(x: Array, *, p: float, key: tuple[int, int]) -> Array:
    """x / (1 - p) where it is kept, else 0."""
    return elementwise(lambda v, keep: v / (1 - p) if keep else 0.0, x, dropout_mask(x.shape, p, key))


def dropout_gradients(dy: Array, x: Array, *, p: float, key: tuple[int, int]) -> tuple[Any, ...]:
    """dy / (1 - p) where x was kept, else 0."""
    return (dropout(dy, p=p, key=key),)
