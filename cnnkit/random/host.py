"""Draws that NumPy makes in float64, rounded and moved: normals, initial weights, permutations, integers."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import Array, Backend
from cnnkit.random.cipher import WORD, Key
from cnnkit.random.draws import Shape, as_shape, bits, float_name, place


def normal(key: Key, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32", *,
           backend: Backend | None = None, device: Any = None, like: Array | None = None) -> Array:
    """Normal draws by Box and Muller, in float64 on the host, rounded to `dtype` and moved.

    Elements 2 j and 2 j + 1 are the cosine and the sine of the pair that counter j gives. Each of the two
    uniforms is (word + 0.5) * 2**-32, so its logarithm is finite and no draw lies further than 6.77 `std`
    from `mean` (a true normal does once in 7 * 10**10 draws).

    References
    ----------
    Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29 (1958).

    Examples
    --------
    >>> from cnnkit.random import key
    >>> normal(key(0), (2, 2), dtype="float64").round(3)
    array([[-1.065, -0.779],
           [ 0.032, -1.52 ]])
    """
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"normal needs a finite mean and a finite std >= 0, got mean={mean!r}, std={std!r}")
    sizes = as_shape(shape)
    count = math.prod(sizes)
    pairs = _host_uniform(key, count + count % 2)
    radius = np.sqrt(-2.0 * np.log(pairs[0::2]))
    angle = (2.0 * math.pi) * pairs[1::2]
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
    return _deliver((values * std + mean).reshape(sizes), dtype, backend, device, like)


def uniform_between(key: Key, shape: Shape, low: float, high: float, dtype: Any = "float32", *,
                    backend: Backend | None = None, device: Any = None, like: Array | None = None) -> Array:
    """Uniform between two bounds, in float64 on the host, rounded to `dtype` and moved: for initial weights.

    Element i is ``low + (high - low) * (word i + 0.5) * 2**-32``: symmetric about the middle. Rounding to
    `dtype` may reach either bound.

    >>> from cnnkit.random import key
    >>> uniform_between(key(0), 2, -1, 1, "float64").round(3)
    array([-0.163,  0.201])
    """
    if not (math.isfinite(high - low) and low <= high):
        raise ValueError("uniform_between needs finite bounds with low <= high, "
                         f"got low={low!r}, high={high!r}")
    sizes = as_shape(shape)
    values = low + (high - low) * _host_uniform(key, math.prod(sizes))
    return _deliver(values.reshape(sizes), dtype, backend, device, like)


def permutation(key: Key, n: int) -> np.ndarray:
    """The numbers 0 ... n - 1 in random order, as a NumPy int64 array: a sort by 64-bit words, ties by index.

    >>> from cnnkit.random import key
    >>> permutation(key(0), 5).tolist()
    [3, 0, 4, 1, 2]
    """
    return np.argsort(_host_words64(key, as_shape((n,))[0]), kind="stable").astype(np.int64, copy=False)


def randint(key: Key, shape: Shape, low: int, high: int) -> np.ndarray:
    """Integers in [low, high), as a NumPy int64 array; at most 2**32 different ones.

    Element i is the high half of 64-bit word i times the range (Lemire, "Fast random integer generation in an
    interval", ACM TOMACS 29, 2019), without the rejection step: no probability is off by more than 2**-64.

    >>> from cnnkit.random import key
    >>> randint(key(0), 4, 1, 7).tolist()
    [4, 5, 6, 1]
    """
    low, high = operator.index(low), operator.index(high)
    if not (low < high <= low + (1 << 32) and low >= -(1 << 63) and high <= 1 << 63):
        raise ValueError(f"randint needs low < high <= low + 2**32 within int64, got low={low}, high={high}")
    sizes, span = as_shape(shape), np.uint64(high - low)
    words = _host_words64(key, math.prod(sizes))
    carry = ((words & WORD) * span) >> 32
    offset = ((words >> 32) * span + carry) >> 32  # (word * span) >> 64 without a product of 96 bits
    return (offset.astype(np.int64) + low).reshape(sizes)


def _host_uniform(key: Key, count: int) -> np.ndarray:
    """float64 numbers in (0, 1), each from 32 bits, symmetric about a half."""
    return (bits(key, count, backend=backends.get("numpy")).view(np.uint32) + 0.5) * 2.0**-32


def _host_words64(key: Key, count: int) -> np.ndarray:
    """uint64 numbers, each from one counter: word 0 is the low half."""
    halves = bits(key, 2 * count, backend=backends.get("numpy")).view(np.uint32).astype(np.uint64)
    return halves[0::2] | (halves[1::2] << 32)


def _deliver(values: np.ndarray, dtype: Any, backend: Backend | None, device: Any,
             like: Array | None) -> Array:
    """Round on the host, so that all backends round alike (to bfloat16 by way of float32), and move."""
    name = float_name(dtype)
    target, device = place(backend, device, like)
    return target.asarray(values.astype("float32" if name == "bfloat16" else name), name, device)
