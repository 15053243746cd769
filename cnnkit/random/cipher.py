"""Threefry-2x32-20 (Salmon et al. 2011): the cipher under all draws, on int32 arrays and on Python ints."""

from __future__ import annotations

from cnnkit.backends import Array

Key = tuple[int, int]  # two words in [0, 2**32) that select a stream

WORD = 0xFFFFFFFF
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
SCHEDULE = tuple((g, ROTATIONS[g % 2]) for g in range(5))  # 5 groups of 4 rounds, a key added after each


def threefry(key: Key, low: Array, high: Array) -> tuple[Array, Array]:
    """Encrypt 64-bit counters with Threefry-2x32-20: Array API only, on int32 arrays whose sums wrap.

    Parameters
    ----------
    key : pair of int
        The two key words, in [0, 2**32).
    low, high : array of int32
        The counter's low 32 bits (word 0 of the paper's counter) and its high 32 bits (word 1), broadcast
        against each other; at least one dimension, because NumPy warns when a scalar overflows.

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
    x0, x1 = low + signed(keys[0]), high + signed(keys[1])
    for group, rotations in SCHEDULE:
        for r in rotations:
            x0 = x0 + x1
            x1 = ((x1 << r) | ((x1 >> (32 - r)) & ((1 << r) - 1))) ^ x0  # int32's >> copies the sign: mask it
        x0 = x0 + signed(keys[(group + 1) % 3])
        x1 = x1 + signed(keys[(group + 2) % 3] + group + 1)
    return x0, x1


def signed(value: int) -> int:
    """The int32 that has the same bits as `value` modulo 2**32."""
    return ((value & WORD) ^ 0x80000000) - 0x80000000


def threefry_int(key: Key, counter: int) -> Key:
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
