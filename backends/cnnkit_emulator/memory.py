"""Where a launch's arrays lie: copies in an arena of their own, poison between them, with the alignment that
a GPU would give.

A kernel that writes beside its array writes poison away, and is found; one that reads there reads NaN.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["ALIGNMENT", "Arena", "Place", "offset_of", "untouched"]

ALIGNMENT = 256      # of a fresh array, as on a GPU
GAP = 1 << 15        # bytes of poison on either side of each array
# NaN, whatever floating-point type is read
POISONS = [(0xFFFF - i).to_bytes(2, "little") * (GAP + ALIGNMENT) for i in range(16)]
RESERVED = 1 << 34   # bytes of addresses that the arena may take; only what is used costs memory


@dataclass(frozen=True)
class Place:
    """One array's copy in the arena."""

    start: int    # address of its lowest byte
    size: int     # bytes from there to its highest one
    address: int  # of its first element
    origin: int   # where the lowest byte lies in the array itself

    def copy_back(self) -> None:
        """Put what the kernel wrote into the array (without gaps: the launcher sees to it)."""
        ctypes.memmove(self.origin, self.start, self.size)

    def changed(self) -> bool:
        """Whether the copy is no longer what the array holds."""
        return ctypes.string_at(self.start, self.size) != ctypes.string_at(self.origin, self.size)


class Arena:
    """Memory for one launch after the other."""

    def __init__(self) -> None:
        self._memory = _pages(RESERVED)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.end = self.start
        self.places: list[Place] = []

    def clear(self) -> None:
        """Forget every array."""
        self.places, self.end = [], self.start

    def place(self, array: np.ndarray) -> Place:
        """Copy an array's memory to the arena's end."""
        before, size = extent(array)
        origin = array.ctypes.data - before
        first = self.end + GAP
        start = first + (offset_of(array) - before - first) % ALIGNMENT
        if start + size + GAP > self.start + RESERVED:
            raise MemoryError(f"the arrays of one launch need more than {RESERVED >> 30} GiB; "
                              "cnnkit_emulator.device.sampled runs some blocks without copies")
        self._fill(self.end, start, len(self.places))
        ctypes.memmove(start, origin, size)
        self._fill(start + size, start + size + GAP, len(self.places) + 1)
        self.end = start + size
        self.places.append(Place(start, size, start + before, origin))
        return self.places[-1]

    @staticmethod
    def _fill(start: int, end: int, number: int) -> None:
        """Poison for the gap of this number: each has its own, or copying one's poison to another would
        leave no trace.
        """
        odd = start % 2
        ctypes.memmove(start, POISONS[number % len(POISONS)][odd:], end - start)

    def written_outside(self, touched: Callable[[int, int, int], int]) -> tuple[Place, int] | None:
        """The array beside which a byte was written, and which one, counted from the array's start; or None.

        `touched` finds the first byte that is not of a gap's poison in a stretch of memory, as
        ``emu_touched`` does.
        """
        at = self.start
        for i, place in enumerate([*self.places, None]):
            end = place.start if place else self.end + GAP
            found = touched(at, end - at, 0xFFFF - i % len(POISONS))
            if found >= 0:
                left, where = self.places[i - 1] if i else None, at + found
                near = (place if left is None
                        or (place and place.start - where < where - left.start - left.size) else left)
                return (near, where - near.start) if near else None
            at = place.start + place.size if place else end
        return None


def extent(array: np.ndarray) -> tuple[int, int]:
    """How many bytes the array reaches before its first element, and how many its memory has from
    end to end.
    """
    if not array.size:
        return 0, 0
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides)]
    before = -sum(s for s in steps if s < 0)
    return before, before + sum(s for s in steps if s > 0) + array.itemsize


def offset_of(array: np.ndarray) -> int:
    """Where in its own allocation the array starts, which on a GPU begins at a multiple of 256."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return array.ctypes.data - owner.ctypes.data + (1 << 20) * ALIGNMENT


def untouched(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros that cost memory only where they are touched, aligned as on a GPU."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(_pages(max(1, count * dtype.itemsize)), dtype, count).reshape(shape)


def _pages(size: int) -> mmap.mmap:
    """Zeros that become memory page by page, when touched."""
    lazily = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE, which the module does not name
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | lazily)
