"""Random numbers that are the same on every array library: counter-based, drawn from explicit keys.

The Array API has no random numbers. Threefry-2x32-20 needs only 32-bit addition, shifts and xor, so it gives the same
bits wherever it runs. A *key* says which stream, the position in an array says which number of it; nothing else does.
`bits`, `uniform` and `bernoulli` run on the backend and are exact. `normal`, `uniform_between`, `permutation` and
`randint` are drawn by NumPy and moved, because a library's own float32 ``log`` differs from another's.

The generator behind `next_key` starts from seed 0, so that a program which never calls `seed` repeats its draws.

References
----------
Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
import operator
import threading
from typing import Any

import numpy as np

from . import backends
from .backends import Array, Backend, dtype_name

__all__ = ["Generator", "Key", "bernoulli", "bits", "fold_in", "get_state", "key", "next_key", "normal", "permutation",
           "randint", "seed", "set_state", "split", "threefry", "uniform", "uniform_between"]

Key = tuple[int, int]  # two words in [0, 2**32): which stream
Shape = int | tuple[int, ...]

WORD = 0xFFFFFFFF
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
SCHEDULE = tuple((g, ROTATIONS[g % 2]) for g in range(5))  # 5 groups of 4 rounds, a key added after each
KEY_COUNTERS = 1 << 63  # `fold_in` uses the counters from here on, array draws those below: they never share a block
PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 24}  # bits of a uniform draw


# Threefry -------------------------------------------------------------------------------------------------------------

def threefry(key: Key, low: Array, high: Array) -> tuple[Array, Array]:
    """Encrypt 64-bit counters with Threefry-2x32-20: Array API only, on int32 arrays whose sums wrap.

    Parameters
    ----------
    key : pair of int
        The two key words, in [0, 2**32).
    low, high : array of int32
        The counter's low 32 bits (word 0 of the paper's counter) and its high 32 bits (word 1), broadcast against each
        other; at least one dimension, because NumPy warns when a scalar overflows.

    Returns
    -------
    tuple of array
        Word 0 and word 1 of every block, int32.

    Examples
    --------
    >>> import numpy as np
    >>> zero = np.zeros(1, np.int32)
    >>> [f"{int(word[0]) % 2**32:08x}" for word in threefry((0, 0), zero, zero)]
    ['6b200159', '99ba4efe']
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    x0, x1 = low + _signed(keys[0]), high + _signed(keys[1])
    for group, rotations in SCHEDULE:
        for r in rotations:
            x0 = x0 + x1
            x1 = ((x1 << r) | ((x1 >> (32 - r)) & ((1 << r) - 1))) ^ x0  # int32's >> copies the sign: mask it
        x0 = x0 + _signed(keys[(group + 1) % 3])
        x1 = x1 + _signed(keys[(group + 2) % 3] + group + 1)
    return x0, x1


def _signed(value: int) -> int:
    """The int32 that has the same bits as `value` modulo 2**32."""
    return ((value & WORD) ^ 0x80000000) - 0x80000000


def _threefry_int(key: Key, counter: int) -> Key:
    """`threefry` of one 64-bit counter on Python ints (5 us)."""
    k0, k1 = key
    keys = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = (counter + k0) & WORD, ((counter >> 32) + k1) & WORD
    for group, rotations in SCHEDULE:
        for r in rotations:
            x0 = (x0 + x1) & WORD
            x1 = ((x1 << r) & WORD | x1 >> (32 - r)) ^ x0
        x0 = (x0 + keys[(group + 1) % 3]) & WORD
        x1 = (x1 + keys[(group + 2) % 3] + group + 1) & WORD
    return x0, x1


# Keys -----------------------------------------------------------------------------------------------------------------

def key(seed: int) -> Key:
    """The key of a seed: its low and its high 32 bits.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not an integer in [0, 2**64).

    >>> key(7), key(2**32)
    ((7, 0), (0, 1))
    """
    seed = _integer("seed", seed, 1 << 64)
    return seed & WORD, seed >> 32


def fold_in(key: Key, data: int) -> Key:
    """A new key made from `key` and a number in [0, 2**63), such as a step or a layer's index.

    It is block ``2**63 + data`` of the key's stream; array draws use the blocks below, so one key may do both.

    >>> fold_in(key(0), 1)
    (4017256875, 4208457211)
    """
    return _threefry_int(_checked(key), KEY_COUNTERS + _integer("data", data, KEY_COUNTERS))


def split(key: Key, n: int = 2) -> list[Key]:
    """`n` independent keys: ``fold_in(key, i)`` for i in 0 ... n - 1.

    >>> split(key(0), 2)[1] == fold_in(key(0), 1)
    True
    """
    return [fold_in(key, i) for i in range(_shape((n,))[0])]


class Generator:
    """A seed and a count: gives a fresh key each time it is asked. Threads may share one.

    Two threads never get the same key, but which of them gets which depends on timing: for runs that repeat, give each
    thread a generator of its own.

    Parameters
    ----------
    seed : int
        In [0, 2**64).

    Examples
    --------
    >>> generator = Generator(3)
    >>> state = generator.get_state()
    >>> first = generator.next_key()
    >>> generator.set_state(state)
    >>> generator.next_key() == first
    True
    """

    def __init__(self, seed: int = 0):
        self._lock = threading.Lock()
        self.seed(seed)

    def seed(self, n: int) -> None:
        """Start again from seed `n`."""
        base = key(n)
        with self._lock:
            self._seed, self._key, self._count = operator.index(n), base, 0

    def next_key(self) -> Key:
        """A key that this generator has not given since it was seeded."""
        with self._lock:
            base, count = self._key, self._count
            self._count = count + 1
        return fold_in(base, count)

    def get_state(self) -> dict[str, int]:
        """What `set_state` needs to go on from here: plain ints, so JSON keeps it."""
        with self._lock:
            return {"seed": self._seed, "count": self._count}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from where `get_state` was called."""
        if not isinstance(state, dict) or state.keys() != {"seed", "count"}:
            raise ValueError(f"a generator's state is {{'seed': int, 'count': int}}, got {state!r}; "
                             "pass what get_state() returned")
        base, count = key(state["seed"]), _integer("count", state["count"], KEY_COUNTERS)
        with self._lock:
            self._seed, self._key, self._count = operator.index(state["seed"]), base, count


# Draws on the backend: exact everywhere -------------------------------------------------------------------------------

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
        Whose array to make; by default the one that `cnnkit.use` chose.
    device : optional
        Where to make it, as the backend names its devices; by default the backend's choice.
    like : array, optional
        Make it with this array's backend, on this array's device, instead.

    Returns
    -------
    array of int32

    Examples
    --------
    >>> [f"{int(word) % 2**32:08x}" for word in bits(key(0), 2)]
    ['6b200159', '99ba4efe']
    """
    sizes, (chosen, device) = _shape(shape), _place(backend, device, like)
    key = _checked(key)
    for kernel in chosen.resolve().single.get("random_bits", ()):
        result = kernel(key, sizes, device)
        if result is not NotImplemented:
            return result
    xp = chosen.namespace
    return xp.reshape(_words(xp, key, 0, math.prod(sizes), device), sizes)


def _words(xp: Any, key: Key, first: int, count: int, device: Any) -> Array:
    """The first `count` words of the 64-bit counters from `first` on: the generic version of the kernel."""
    where = {} if device is None else {"device": device}
    if count == 0:
        return xp.zeros((0,), dtype=xp.int32, **where)
    pieces, end = [], first + (count + 1) // 2
    while first < end:
        size = min(end - first, (1 << 30) - first % (1 << 30))  # in a piece the low word does not wrap
        low = xp.arange(size, dtype=xp.int32, **where) + _signed(first)
        high = xp.full((1,), _signed(first >> 32), dtype=xp.int32, **where)
        pieces.append(xp.reshape(xp.stack(threefry(key, low, high), axis=1), (-1,)))
        first += size
    words = pieces[0] if len(pieces) == 1 else xp.concat(pieces)
    return words if count % 2 == 0 else words[:count]


def uniform(key: Key, shape: Shape, dtype: Any = "float32", *, backend: Backend | None = None, device: Any = None,
            like: Array | None = None) -> Array:
    """Uniform in [0, 1): the top 24 bits of `bits` times 2**-24, the same values in float32 and float64.

    float16 and bfloat16 hold fewer bits, so they take the top 11 and the top 8: the same draws rounded down, never 1.
    `key`, `shape`, `backend`, `device` and `like` are as for `bits`, here and below.

    >>> uniform(key(0), 2, "float64")
    array([0.41845709, 0.60049903])
    """
    name = _float_name(dtype)
    sizes, (chosen, device) = _shape(shape), _place(backend, device, like)
    xp, kept = chosen.namespace, PRECISION[name]
    top = _top(bits(key, math.prod(sizes), backend=chosen, device=device), kept)
    wide = xp.astype(top, chosen.dtype("float64" if name == "float64" else "float32")) * 2.0**-kept
    return xp.reshape(xp.astype(wide, chosen.dtype(name), copy=False), sizes)


def bernoulli(key: Key, p: float, shape: Shape, *, backend: Backend | None = None, device: Any = None,
              like: Array | None = None) -> Array:
    """True with probability `p` in [0, 1]: where the top 24 bits of `bits` are below p * 2**24, rounded to an integer.

    >>> bernoulli(key(0), 0.5, 6)
    array([ True, False,  True, False,  True, False])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], got {p!r}; write 20 % as 0.2")
    sizes, (chosen, device) = _shape(shape), _place(backend, device, like)
    drawn = bits(key, math.prod(sizes), backend=chosen, device=device)
    return chosen.namespace.reshape(_top(drawn, 24) < round(float(p) * 2**24), sizes)


def _top(words: Array, count: int) -> Array:
    """The top `count` bits of each word, as a number that is not negative."""
    return (words >> (32 - count)) & ((1 << count) - 1)


# Draws on the host: by NumPy in float64, then rounded and moved -------------------------------------------------------

def normal(key: Key, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32", *,
           backend: Backend | None = None, device: Any = None, like: Array | None = None) -> Array:
    """Normal draws by Box and Muller, in float64 on the host, rounded to `dtype` and moved.

    Elements 2 j and 2 j + 1 are the cosine and the sine of the pair that counter j gives. Each of the two uniforms is
    (word + 0.5) * 2**-32, so its logarithm is finite and no draw lies further than 6.77 `std` from `mean`
    (a true normal does once in 7 * 10**10 draws).

    References
    ----------
    Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29 (1958).

    Examples
    --------
    >>> normal(key(0), (2, 2), dtype="float64").round(3)
    array([[-1.065, -0.779],
           [ 0.032, -1.52 ]])
    """
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"normal needs a finite mean and a finite std >= 0, got mean={mean!r}, std={std!r}")
    sizes = _shape(shape)
    count = math.prod(sizes)
    pairs = _host_uniform(key, count + count % 2)
    radius = np.sqrt(-2.0 * np.log(pairs[0::2]))
    angle = (2.0 * math.pi) * pairs[1::2]
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
    return _deliver((values * std + mean).reshape(sizes), dtype, backend, device, like)


def uniform_between(key: Key, shape: Shape, low: float, high: float, dtype: Any = "float32", *,
                    backend: Backend | None = None, device: Any = None, like: Array | None = None) -> Array:
    """Uniform between two bounds, in float64 on the host, rounded to `dtype` and moved: for initial weights.

    Element i is ``low + (high - low) * (word i + 0.5) * 2**-32``: symmetric about the middle. Rounding to `dtype` may
    reach either bound.

    >>> uniform_between(key(0), 2, -1, 1, "float64").round(3)
    array([-0.163,  0.201])
    """
    if not (math.isfinite(high - low) and low <= high):
        raise ValueError(f"uniform_between needs finite bounds with low <= high, got low={low!r}, high={high!r}")
    sizes = _shape(shape)
    values = low + (high - low) * _host_uniform(key, math.prod(sizes))
    return _deliver(values.reshape(sizes), dtype, backend, device, like)


def permutation(key: Key, n: int) -> np.ndarray:
    """The numbers 0 ... n - 1 in random order, as a NumPy int64 array: a sort by 64-bit words, ties by index.

    >>> permutation(key(0), 5).tolist()
    [3, 0, 4, 1, 2]
    """
    return np.argsort(_host_words64(key, _shape((n,))[0]), kind="stable").astype(np.int64, copy=False)


def randint(key: Key, shape: Shape, low: int, high: int) -> np.ndarray:
    """Integers in [low, high), as a NumPy int64 array; at most 2**32 different ones.

    Element i is the high half of 64-bit word i times the range (Lemire, "Fast random integer generation in an
    interval", ACM TOMACS 29, 2019), without the rejection step: no probability is off by more than 2**-64.

    >>> randint(key(0), 4, 1, 7).tolist()
    [4, 5, 6, 1]
    """
    low, high = operator.index(low), operator.index(high)
    if not (low < high <= low + (1 << 32) and low >= -(1 << 63) and high <= 1 << 63):
        raise ValueError(f"randint needs low < high <= low + 2**32 within int64, got low={low}, high={high}")
    sizes, span = _shape(shape), np.uint64(high - low)
    words = _host_words64(key, math.prod(sizes))
    carry = ((words & WORD) * span) >> 32
    offset = ((words >> 32) * span + carry) >> 32  # (word * span) >> 64 without a product of 96 bits
    return (offset.astype(np.int64) + low).reshape(sizes)


def _host_uniform(key: Key, count: int) -> np.ndarray:
    """float64 in (0, 1) from 32 bits each, symmetric about a half."""
    return (bits(key, count, backend=backends.get("numpy")).view(np.uint32) + 0.5) * 2.0**-32


def _host_words64(key: Key, count: int) -> np.ndarray:
    """uint64, each from one counter: word 0 is the low half."""
    halves = bits(key, 2 * count, backend=backends.get("numpy")).view(np.uint32).astype(np.uint64)
    return halves[0::2] | (halves[1::2] << 32)


def _deliver(values: np.ndarray, dtype: Any, backend: Backend | None, device: Any, like: Array | None) -> Array:
    """Round on the host, so that every backend gets the same rounding (to bfloat16 by way of float32), and move."""
    name = _float_name(dtype)
    chosen, device = _place(backend, device, like)
    return chosen.asarray(values.astype("float32" if name == "bfloat16" else name), name, device)


# Arguments ------------------------------------------------------------------------------------------------------------

def _place(backend: Backend | None, device: Any, like: Array | None) -> tuple[Backend, Any]:
    if like is not None:
        if backend is not None or device is not None:
            raise TypeError("give either like= or backend= and device=, not both: like= already says where")
        return backends.backend_of(like), getattr(like, "device", None)
    if backend is None:
        return backends.current(), backends.current_device() if device is None else device
    return backend, device


def _integer(name: str, value: Any, end: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__}); int(...) makes one")
    value = operator.index(value)
    if not 0 <= value < end:
        power = f"2**{end.bit_length() - 1}"
        raise ValueError(f"{name} must be in [0, {power}), got {value}; {name} % {power} would do")
    return value


def _checked(key: Any) -> Key:
    """`key` as a pair of words; it may come back from JSON as a list."""
    if not isinstance(key, tuple | list) or len(key) != 2:
        raise TypeError(f"key must be a pair of ints, got {key!r}; cnnkit.random.key({key!r}) or next_key() gives one")
    return _integer("key[0]", key[0], 1 << 32), _integer("key[1]", key[1], 1 << 32)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape {sizes} has a negative size; give every size, a draw infers none")
    return sizes


def _float_name(dtype: Any) -> str:
    name = dtype_name(dtype)
    if name not in PRECISION:
        raise TypeError(f"dtype must be one of {', '.join(PRECISION)}, got {name!r}; use randint or bits for integers")
    return name


# The program's generator ----------------------------------------------------------------------------------------------

_generator = Generator(0)
seed = _generator.seed
next_key = _generator.next_key
get_state = _generator.get_state
set_state = _generator.set_state
