"""Keys, which select the stream of a draw, and the generators that hand them out."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnkit import backends
from cnnkit.foreign import is_whole
from cnnkit.random.cipher import WORD, Key, threefry_int

# `fold_in` uses the counters from here on, array draws those below: they never share a block
KEY_COUNTERS = 1 << 63
MOST_KEYS = KEY_COUNTERS - 1  # of one seed: what a range counts in C


def key(seed: int) -> Key:
    """The key of a seed: its low and its high 32 bits.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not an integer in [0, 2**64).

    >>> key(7), key(2**32)
    ((7, 0), (0, 1))
    """
    seed = integer("seed", seed, 1 << 64)
    return seed & WORD, seed >> 32


def fold_in(key: Key, data: int) -> Key:
    """A new key made from `key` and a number in [0, 2**63), such as a step or a layer's index.

    It is block ``2**63 + data`` of the key's stream; array draws use the blocks below, so one key may serve
    both.

    >>> fold_in(key(0), 1)
    (4017256875, 4208457211)
    """
    return threefry_int(checked_key(key), KEY_COUNTERS + integer("data", data, KEY_COUNTERS))


def split(key: Key, n: int = 2) -> list[Key]:
    """`n` independent keys: ``fold_in(key, i)`` for i in 0 ... n - 1.

    >>> split(key(0), 2)[1] == fold_in(key(0), 1)
    True
    """
    return [fold_in(key, i) for i in range(integer("n", n, 1 << 63))]


class Generator:
    """A seed and a count, which give a fresh key at each request. Threads may share one.

    Two threads never get the same key, nor do a thread and the signal handler that interrupts it; but which
    of them gets which depends on timing: for runs that repeat, give each thread a generator of its own. A
    forked child goes on from the same count as its parent, and so draws the same numbers.

    Parameters
    ----------
    seed : int
        In [0, 2**64). PyTorch's device may stand in its place, and is ignored, as `device` is: draws are the
        same on every device.

    Examples
    --------
    >>> generator = Generator(3)
    >>> state = generator.get_state()
    >>> first = generator.next_key()
    >>> generator.set_state(state)
    >>> generator.next_key() == first
    True
    """

    def __init__(self, seed: Any = 0, device: Any = None):
        if isinstance(seed, str | backends.device):
            backends.device(seed)  # refuses what is none
            seed = 0
        self.seed(seed)

    def seed(self, n: int) -> None:
        """Start again from seed `n`."""
        base = key(n)
        self._start(operator.index(n), base, 0)

    def manual_seed(self, seed: int) -> Generator:
        """PyTorch's name of `seed`, which returns the generator; a negative seed counts from 2**64."""
        self.seed(seed % (1 << 64) if is_whole(seed) else seed)
        return self

    def initial_seed(self) -> int:
        """The seed that the generator started from."""
        return self._stream[0]

    def _start(self, seed: int, base: Key, count: int) -> None:
        # a range's iterator counts: taking its next number is one step that nothing interrupts, so neither
        # threads nor signal handlers need a lock, which a forked child might find held
        self._stream = seed, base, iter(range(count, MOST_KEYS))

    def next_key(self) -> Key:
        """A key that this generator has not given since it was seeded."""
        _, base, counts = self._stream
        return fold_in(base, next(counts))

    def get_state(self) -> dict[str, int]:
        """What `set_state` needs to go on from here: plain ints, so JSON keeps it."""
        seed, _, counts = self._stream
        return {"seed": seed, "count": MOST_KEYS - operator.length_hint(counts)}

    def __getstate__(self) -> dict[str, int]:
        return self.get_state()

    def __setstate__(self, state: dict[str, int]) -> None:
        self.set_state(state)

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from where `get_state` was called."""
        if not isinstance(state, dict) or state.keys() != {"seed", "count"}:
            raise ValueError(f"a generator's state is {{'seed': int, 'count': int}}, got {state!r}; "
                             "pass what get_state() returned")
        base, count = key(state["seed"]), integer("count", state["count"], KEY_COUNTERS)
        self._start(operator.index(state["seed"]), base, count)


def integer(name: str, value: Any, end: int) -> int:
    if not is_whole(value):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__}); "
                        "int(...) makes one")
    value = operator.index(value)
    if not 0 <= value < end:
        power = f"2**{end.bit_length() - 1}"
        raise ValueError(f"{name} must be in [0, {power}), got {value}; {name} % {power} would do")
    return value


def checked_key(key: Any) -> Key:
    """`key` as a pair of words; it may come back from JSON as a list."""
    if not isinstance(key, tuple | list) or len(key) != 2:
        raise TypeError(f"key must be a pair of ints, got {key!r}; cnnkit.random.key({key!r}) "
                        "or next_key() gives one")
    return integer("key[0]", key[0], 1 << 32), integer("key[1]", key[1], 1 << 32)


# The process's generator, and in `_local` the generators that `seeded` blocks use in their threads.
_generator = Generator(0)
_local = threading.local()


@contextmanager
def seeded(n: int) -> Iterator[Generator]:
    """Within the block, draws of this thread come from a generator of its own, which starts at seed `n`.

    Other threads, and this one after the block, draw as if it had never been.

    >>> from cnnkit import random
    >>> with random.seeded(3):
    ...     inside = random.next_key()
    >>> inside == random.Generator(3).next_key()
    True
    """
    outer, generator = getattr(_local, "generator", None), Generator(n)
    _local.generator = generator
    try:
        yield generator
    finally:
        _local.generator = outer


@contextmanager
def stream(key: Key) -> Iterator[None]:
    """Within the block, draws of this thread come from the stream of a key, from its beginning.

    >>> from cnnkit import random
    >>> with random.stream(random.key(3)):
    ...     inside = random.next_key()
    >>> inside == random.Generator(3).next_key()
    True
    """
    low, high = checked_key(key)
    outer, generator = getattr(_local, "generator", None), Generator(low | high << 32)  # whose key this is
    _local.generator = generator
    try:
        yield
    finally:
        _local.generator = outer


def _current() -> Generator:
    return getattr(_local, "generator", None) or _generator


def seed(n: int) -> None:
    """Start the generator again from seed `n`; in a `seeded` block, the block's."""
    _current().seed(n)


def manual_seed(seed: int) -> Generator:
    """PyTorch's name of `seed`; returns the generator.

    >>> with seeded(0):
    ...     manual_seed(3).initial_seed()
    3
    """
    return _current().manual_seed(seed)


def initial_seed() -> int:
    """The seed that the generator started from."""
    return _current().initial_seed()


def next_key() -> Key:
    """A key that the generator has not given since it was seeded."""
    return _current().next_key()


def get_state() -> dict[str, int]:
    """What `set_state` needs to go on from here: plain ints, so JSON keeps it."""
    return _current().get_state()


def set_state(state: dict[str, int]) -> None:
    """Go on from where `get_state` was called."""
    _current().set_state(state)
