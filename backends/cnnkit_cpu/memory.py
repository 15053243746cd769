"""Memory for results and scratch, used again as soon as nobody holds it.

Fresh memory costs a page fault for every 4 KiB, several times more than writing it. An array that
`Pool.empty` hands out is a view of a larger one that the pool keeps; when the view and everything made from
it are gone, only the pool refers to the larger array, and may hand it out again. Nobody gives memory back.

There is no lock. Whoever wants a block first takes it out of the pool, in one step, and then looks whether
anybody uses it; so two threads never get the same one, nor do a call and the signal handler or finalizer that
runs in the middle of it. A block that an exception finds outside of the pool is freed with its arrays.
"""

from __future__ import annotations

import ctypes
from math import prod
from sys import getrefcount
from threading import get_ident
from time import monotonic
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import array_of
from cnnkit_cpu import library
from cnnkit_cpu.library import address, noting

PAGE = 1 << 16    # bytes: blocks are multiples of it; what is smaller is cheap to allocate
LINE = 64         # bytes of a cache line: vectors that begin with one are loaded at once
MOST = 1 << 30    # bytes that the pool keeps, in use or not
AGE = 30.0        # seconds: what was not handed out for so long is given back when the pool is used next
FLOAT = np.dtype(np.float32)


class Block:
    """One piece of memory: a list that holds it, or is empty while somebody decides whether it is free."""

    __slots__ = ("begin", "inside", "used")

    def __init__(self, memory: np.ndarray, used: float):
        self.begin = -address(memory) & (LINE - 1)  # of its first cache line
        self.inside = [memory]
        self.used = used  # when it was handed out for the last time


def _references() -> tuple[int, int]:
    """What `getrefcount` gives of unused memory, in its list and taken out; Python versions differ."""
    inside = [np.empty(1, np.uint8)]
    inside_count = getrefcount(inside[0])
    memory = inside.pop()
    count = getrefcount(memory)
    inside.append(memory)
    return inside_count, count


class Pool:
    """Blocks of memory by size, some `most` bytes of them.

    When there are more, when the system has no more memory, or when one was not handed out for `age` seconds,
    those that nobody uses are given back. Nobody waits for that time: it is looked at when an array is made.

    >>> pool = Pool(1 << 20)
    >>> a = pool.empty((300, 100))
    >>> a.shape, pool.held
    ((300, 100), 131072)
    >>> first = a.ctypes.data
    >>> del a
    >>> pool.empty((100, 300)).ctypes.data == first
    True
    """

    def __init__(self, most: int = MOST, age: float = AGE):
        self.most, self.age = most, age
        self._blocks: dict[int, list[Block]] = {}
        self._inside_count, self._unused_count = _references()
        self._next_look = monotonic() + age

    @property
    def held(self) -> int:
        """How many bytes the pool keeps."""
        return sum(size * len(blocks) for size, blocks in list(self._blocks.items()))

    def empty(self, shape: tuple[int, ...], dtype: Any = FLOAT) -> np.ndarray:
        """An array with anything in it."""
        nbytes = prod(shape) * dtype.itemsize
        if noting and (notes := noting.get(get_ident())) is not None:
            return _noted(shape, dtype, nbytes, notes)
        if nbytes < PAGE:
            return np.empty(shape, dtype)
        size, now = (nbytes + PAGE - 1) & -PAGE, monotonic()
        if now >= self._next_look:
            self._next_look = now + self.age
            self.trim(now - self.age)
        for block in self._blocks.get(size, ()):
            inside = block.inside
            try:
                if getrefcount(inside[0]) > self._inside_count:
                    continue
                memory = inside.pop()
            except IndexError:  # somebody else is looking at it, or an exception has lost it
                self._forget(size, block)
                continue
            if getrefcount(memory) <= self._unused_count:
                array = np.ndarray(shape, dtype, memory, block.begin)
                block.used = now
                inside.append(memory)
                return array
            inside.append(memory)  # somebody has just got it
        memory = self._allocate(size)
        block = Block(memory, now)
        array = np.ndarray(shape, dtype, memory, block.begin)
        if self.held + size <= self.most:
            self._blocks.setdefault(size, []).append(block)
        return array

    def _allocate(self, size: int) -> np.ndarray:
        """New memory for a block; what the pool keeps for nothing makes room for it."""
        if self.held + size > self.most:
            self.trim()
        try:
            return np.empty(size + LINE, np.uint8)
        except MemoryError:
            self.trim()
            return np.empty(size + LINE, np.uint8)

    def _forget(self, size: int, block: Block) -> None:
        """Keep a block no longer; its memory is given back with the arrays that use it."""
        try:
            self._blocks[size].remove(block)
        except (KeyError, ValueError):  # it was forgotten already
            return

    def trim(self, before: float | None = None) -> None:
        """Give back the blocks that nobody uses; with `before`, if they were handed out before that time."""
        for size, blocks in list(self._blocks.items()):
            kept = []
            for block in blocks[:]:
                try:
                    memory = block.inside.pop()
                except IndexError:  # somebody else is looking at it, or an exception has lost it
                    continue
                if getrefcount(memory) > self._unused_count or (before is not None and block.used >= before):
                    block.inside.append(memory)
                    kept.append(block)
                del memory
            if kept:
                self._blocks[size] = kept
            else:
                self._blocks.pop(size, None)

    def release(self) -> None:
        """Give back all blocks; those in use live on as long as their arrays do."""
        self._blocks = {}


def _noted(shape: tuple[int, ...], dtype: np.dtype, nbytes: int, notes: Any) -> np.ndarray:
    """An array on memory of its own, for a recording that is told of it."""
    memory = np.empty(nbytes + LINE, np.uint8)
    array = np.ndarray(shape, dtype, memory, -address(memory) & (LINE - 1))
    notes.allocated(array)
    return array


pool = Pool()
empty = pool.empty


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
    if (array.ndim in (3, 4) and array.dtype == FLOAT and flags.aligned and max(array.shape[:2]) < 2**31
            and array.transpose(0, *range(2, array.ndim), 1).flags.c_contiguous):
        N, C, *size = array.shape
        library.active.from_channels_last(library.threads, N, C, prod(size), address(array), address(copy))
    elif not noting or (notes := noting.get(get_ident())) is None:
        copy[...] = array
    elif not _copied(array, copy):
        notes.unlike("NumPy copies an array")
        copy[...] = array
    return copy


def not_a_call(reason: str) -> None:
    """Tell a recording of this thread that a kernel writes into memory without a call of C."""
    if noting and (notes := noting.get(get_ident())) is not None:
        notes.unlike(reason)


def _copied(array: np.ndarray, copy: np.ndarray) -> bool:
    """Copy float32 numbers of any strides to C order by a call of C, which a recording can repeat."""
    if array.dtype != FLOAT or array.ndim > 4 or not array.flags.aligned or array.size >= 2**31:
        return False
    shape = (1,) * (4 - array.ndim) + array.shape
    strides = (0,) * (4 - array.ndim) + array.strides
    if any(stride % 4 for stride in strides):
        return False
    # its last axis is taken for channels, which then lie last as they do now
    (N, H, W, C), (n, h, w, c) = shape, strides
    library.active.to_channels_last(library.threads, N, C, H, W, address(array),
                                    array_of(ctypes.c_long, "strides", n // 4, c // 4, h // 4, w // 4), None,
                                    address(copy))
    return True
