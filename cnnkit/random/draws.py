"""Draws that run on the backend and are exact on every one: bits, uniform, Bernoulli."""

from __future__ import annotations

import math
import operator
from typing import Any

from cnnkit import backends
from cnnkit.backends import Array, Backend, dtype_name
from cnnkit.backends.kernel import DRAW, declare_kernel
from cnnkit.foreign import device_of
from cnnkit.random.cipher import Key, signed, threefry
from cnnkit.random.keys import checked_key
from cnnkit.storage.budget import check_draw

Shape = int | tuple[int, ...]
declare_kernel("random_bits", DRAW)

PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 24}  # bits of a uniform draw


def bits(key: Key, shape: Shape, *, backend: Backend | None = None, device: Any = None,
         like: Array | None = None) -> Array:
    """Uniform random 32-bit patterns: element i, in C order, is word i % 2 of counter i // 2.

    Parameters
    ----------
    key : pair of int
        From `key`, `fold_in`, `split` or `next_key`. The same key and shape give the same numbers, always.
    shape : int or tuple of int
        May be ``()`` and may hold zeros. A shorter draw is the beginning of a longer one.
    backend : Backend, optional
        The backend of the new array; by default the one that `cnnkit.use` chose.
    device : optional
        The device of the new array, by name or as the library's object; by default the backend's choice.
    like : array, optional
        Make it with this array's backend, on this array's device, instead.

    Returns
    -------
    array of int32

    Examples
    --------
    >>> from cnnkit.random import key
    >>> [f"{int(word) % 2**32:08x}" for word in bits(key(0), 2)]
    ['6b200159', '99ba4efe']
    """
    sizes, (target, device) = as_shape(shape), place(backend, device, like)
    key = checked_key(key)
    result = target.resolve().ask("random_bits", (key, sizes, device), {})
    if result is not NotImplemented:
        return result
    xp = target.namespace
    with target.on(device):
        return xp.reshape(words(xp, key, 0, math.prod(sizes), device), sizes)


def words(xp: Any, key: Key, first: int, count: int, device: Any) -> Array:
    """The first `count` words of the 64-bit counters from `first` on: what a kernel must equal."""
    placement = {} if device is None else {"device": device}
    if count == 0:
        return xp.zeros((0,), dtype=xp.int32, **placement)
    pieces, end = [], first + (count + 1) // 2
    while first < end:
        size = min(end - first, (1 << 30) - first % (1 << 30))  # within a piece the low word does not wrap
        low = xp.arange(size, dtype=xp.int32, **placement) + signed(first)
        high = xp.full((1,), signed(first >> 32), dtype=xp.int32, **placement)
        pieces.append(xp.reshape(xp.stack(threefry(key, low, high), axis=1), (-1,)))
        first += size
    words = pieces[0] if len(pieces) == 1 else xp.concat(pieces)
    return words if count % 2 == 0 else words[:count]


def uniform(key: Key, shape: Shape, dtype: Any = "float32", *, backend: Backend | None = None,
            device: Any = None, like: Array | None = None) -> Array:
    """Uniform in [0, 1): the top 24 bits of `bits` times 2**-24, the same values in float32 and float64.

    float16 and bfloat16 hold fewer bits, so they take the top 11 and the top 8: the same draws rounded down,
    never 1. `key`, `shape`, `backend`, `device` and `like` are as for `bits`, here and below.

    >>> from cnnkit.random import key
    >>> uniform(key(0), 2, "float64")
    array([0.41845709, 0.60049903])
    """
    name = float_name(dtype)
    sizes, (target, device) = as_shape(shape), place(backend, device, like)
    xp, precision = target.namespace, PRECISION[name]
    with target.on(device):
        top = top_bits(bits(key, math.prod(sizes), backend=target, device=device), precision)
        scaled = xp.astype(top, target.dtype("float64" if name == "float64" else "float32")) * 2.0**-precision
        return xp.reshape(xp.astype(scaled, target.dtype(name), copy=False), sizes)


def bernoulli(key: Key, p: float, shape: Shape, *, backend: Backend | None = None, device: Any = None,
              like: Array | None = None) -> Array:
    """True with probability `p` in [0, 1]: where the top 24 bits of `bits` are below round(p * 2**24).

    >>> from cnnkit.random import key
    >>> bernoulli(key(0), 0.5, 6)
    array([ True, False,  True, False,  True, False])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], got {p!r}; write 20 % as 0.2")
    sizes, (target, device) = as_shape(shape), place(backend, device, like)
    with target.on(device):
        words = bits(key, math.prod(sizes), backend=target, device=device)
        return target.namespace.reshape(top_bits(words, 24) < round(float(p) * 2**24), sizes)


def top_bits(words: Array, count: int) -> Array:
    """The top `count` bits of each word, as a number that is not negative."""
    return (words >> (32 - count)) & ((1 << count) - 1)


def place(backend: Backend | None, device: Any, like: Array | None) -> tuple[Backend, Any]:
    if like is not None:
        if backend is not None or device is not None:
            raise TypeError("give either like= or backend= and device=, not both: like= already says where")
        return backends.backend_of(like), device_of(like)
    if backend is None:
        backend, chosen = backends.place(None)
        device = chosen if device is None else device
    return backend, backend.locate(device)


def as_shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape {sizes} has a negative size; give every size, a draw infers none")
    check_draw(math.prod(sizes))
    return sizes


def float_name(dtype: Any) -> str:
    name = dtype_name(dtype)
    if name not in PRECISION:
        raise TypeError(f"dtype must be one of {', '.join(PRECISION)}, got {name!r}; "
                        "use randint or bits for integers")
    return name
