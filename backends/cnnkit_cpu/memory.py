"""Memory for results and scratch, used again as soon as nobody holds it.

Fresh memory costs a page fault for every 4 KiB, several times more than writing it. An array that
`Pool.empty` hands out is a view of a larger one that the pool keeps; when the view and everything made from
it are gone, only the pool refers to the larger array, and may hand it out again. Nobody gives memory back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from math import prod
from sys import getrefcount
from typing import Any

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address

PAGE = 1 << 16    # bytes: blocks are multiples of it; what is smaller is cheap to allocate
LINE = 64         # bytes of a cache line: vectors that begin with one are loaded at once
MOST = 1 << 30    # bytes that the pool keeps at most, in use or not
FLOAT = np.dtype(np.float32)


Block = tuple[np.ndarray, int]  # bytes, and the first that begins a cache line


def _unused(blocks: Sequence[Block], unused_count: int) -> Block | None:
    """A block that nobody else refers to."""
    for block in blocks:
        if getrefcount(block[0]) <= unused_count:
            return block
    return None


def _references() -> int:
    """The count that `getrefcount` in `_unused` gives of an unused block: it depends on Python's version."""
    blocks, count = [(np.empty(1, np.uint8), 0)], 0
    while _unused(blocks, count) is None:
        count += 1
    return count


class Pool:
    """Blocks of memory by size, at most `most` bytes of them.

    >>> pool = Pool(1 << 20)
    >>> a = pool.empty((300, 100))
    >>> a.shape, pool.held
    ((300, 100), 131072)
    >>> first = a.ctypes.data
    >>> del a
    >>> pool.empty((100, 300)).ctypes.data == first
    True
    """

    def __init__(self, most: int = MOST):
        self.most, self.held = most, 0
        self._blocks: dict[int, list[Block]] = {}
        self._unused_count = _references()
        self._lock = threading.RLock()  # a signal or the garbage collector may come here while it is held

    def empty(self, shape: tuple[int, ...], dtype: Any = FLOAT) -> np.ndarray:
        """An array with anything in it."""
        nbytes = prod(shape) * dtype.itemsize
        if nbytes < PAGE:
            return np.empty(shape, dtype)
        size = (nbytes + PAGE - 1) & -PAGE
        with self._lock:
            block = _unused(self._blocks.get(size, ()), self._unused_count)
            if block is None:
                if self.held + size > self.most:
                    self._trim()
                memory = np.empty(size + LINE, np.uint8)
                block = memory, -address(memory) & (LINE - 1)
                if self.held + size <= self.most:
                    self._blocks.setdefault(size, []).append(block)
                    self.held += size
            return np.ndarray(shape, dtype, block[0], block[1])

    def _trim(self) -> None:
        """Forget the blocks that nobody uses."""
        for size, blocks in list(self._blocks.items()):
            in_use = []
            while blocks:
                if _unused(blocks[-1:], self._unused_count) is None:
                    in_use.append(blocks[-1])
                else:
                    self.held -= size
                blocks.pop()
            if in_use:
                self._blocks[size] = in_use
            else:
                del self._blocks[size]

    def release(self) -> None:
        """Give back all blocks; those in use live on as long as their arrays do."""
        with self._lock:
            self._blocks.clear()
            self.held = 0

    def hold(self) -> None:
        """Keep other threads out until `let`: a child forked while one is inside would wait for ever."""
        self._lock.acquire()

    def let(self) -> None:
        """Let them in again."""
        self._lock.release()


pool = Pool()
empty = pool.empty
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=pool.hold, after_in_parent=pool.let, after_in_child=pool.let)


def scratch(floats: int) -> tuple[np.ndarray, int]:
    """Memory to work in, to be held until the work is done, and its address."""
    room = pool.empty((floats,))
    return room, address(room)


def packed(array: np.ndarray) -> np.ndarray:
    """The array in C order and aligned: itself, or a copy."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    copy = pool.empty(array.shape, array.dtype)
    if (array.ndim == 4 and array.dtype == FLOAT and flags.aligned
            and array.transpose(0, 2, 3, 1).flags.c_contiguous):
        N, C, H, W = array.shape
        library.active.from_channels_last(library.threads, N, C, H * W, address(array), address(copy))
    else:
        copy[...] = array
    return copy
