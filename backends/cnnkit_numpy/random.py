"""Random bits by NumPy: Threefry-2x32-20 in place, in blocks that stay in the cache."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

# counters in a block: its three uint32 buffers take 192 KiB of L2, and 105 calls share the work
BLOCK = 1 << 14
WORD = 0xFFFFFFFF
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def random_bits(key: tuple[int, int], shape: tuple[int, ...],
                device: Literal["cpu"] | None = None) -> np.ndarray:
    """The kernel of `cnnkit.random.bits`: bit for bit what the generic version gives.

    Parameters
    ----------
    key : pair of int
        Two words in [0, 2**32).
    shape : tuple of int
        The result's shape.
    device : str, optional
        NumPy's only device is ``"cpu"``.

    Returns
    -------
    ndarray of int32
        Every 32-bit pattern is equally likely.

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    Examples
    --------
    >>> [f"{word:08x}" for word in random_bits((0, 0), (2,)).view(np.uint32).tolist()]
    ['6b200159', '99ba4efe']
    """
    count = math.prod(shape)
    bits = np.empty(count + count % 2, np.uint32, device=device)
    fill(bits, key)
    return bits[:count].view(np.int32).reshape(shape)


def fill(bits: np.ndarray, key: tuple[int, int], first: int = 0) -> None:
    """Overwrite `bits` (uint32, even length) with both words of the 64-bit counters from `first` on."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    groups = [([(_word(r), _word(32 - r)) for r in ROTATIONS[g % 2]],
               _word(keys[(g + 1) % 3]), _word(keys[(g + 2) % 3] + g + 1)) for g in range(5)]
    end = first + len(bits) // 2
    block = min(BLOCK, end - first)
    counter = np.arange(block, dtype=np.uint32)
    buffers = np.empty((3, block), np.uint32)
    start = first
    while start < end:
        size = min(block, end - start, (1 << 32) - (start & WORD))  # so that one block has one high word
        x0, x1, shifted = buffers[:, :size]
        np.add(counter[:size], _word(start + key[0]), x0)
        x1.fill(((start >> 32) + key[1]) & WORD)
        for rotations, key0, key1 in groups:
            for up, down in rotations:
                np.add(x0, x1, x0)
                np.left_shift(x1, up, shifted)
                np.right_shift(x1, down, x1)
                np.bitwise_or(x1, shifted, x1)
                np.bitwise_xor(x1, x0, x1)
            np.add(x0, key0, x0)
            np.add(x1, key1, x1)
        position = 2 * (start - first)
        bits[position:position + 2 * size:2] = x0
        bits[position + 1:position + 2 * size:2] = x1
        start += size


def _word(value: int) -> np.ndarray:
    """`value` modulo 2**32 as a 0-d array: ufuncs take it 1 us faster than a Python int."""
    return np.array(value & WORD, np.uint32)
