"""The memory of a launch: copies of its arrays in an arena, aligned as on a GPU, with poison between them.

A kernel that writes beside its array overwrites poison, which is detected; one that reads there reads NaN.
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
    origin: int   # address of the lowest byte of the array itself

    def copy_back(self) -> None:
        """Copy the kernel's results into the array, which has no gaps: the launcher checks that."""
        ctypes.memmove(self.origin, self.start, self.size)

    def changed(self) -> bool:
        """Whether the copy is no longer what the array holds."""
        return ctypes.string_at(self.start, self.size) != ctypes.string_at(self.origin, self.size)


class Arena:
    """Memory that every launch uses in turn."""

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
        bytes_before, size = extent(array)
        origin = array.ctypes.data - bytes_before
        lowest = self.end + GAP
        start = lowest + (offset_of(array) - bytes_before - lowest) % ALIGNMENT
        if start + size + GAP > self.start + RESERVED:
            raise MemoryError(f"the arrays of one launch need more than {RESERVED >> 30} GiB; "
                              "cnnkit_emulator.device.sampled runs some blocks without copies")
        self._fill(self.end, start, len(self.places))
        ctypes.memmove(start, origin, size)
        self._fill(start + size, start + size + GAP, len(self.places) + 1)
        self.end = start + size
        self.places.append(Place(start, size, start + bytes_before, origin))
        return self.places[-1]

    @staticmethod
    def _fill(start: int, end: int, number: int) -> None:
        """Fill a gap with the poison of its number: copying one gap to another must leave a trace."""
        odd = start % 2
        ctypes.memmove(start, POISONS[number % len(POISONS)][odd:], end - start)

    def written_outside(self, touched: Callable[[int, int, int], int]) -> tuple[Place, int] | None:
        """The array beside which a byte was written, and the byte's offset from its start; or None.

        `touched` gives the offset of the first byte of a gap that is not poison, as ``emu_touched`` does.
        """
        position = self.start
        for i, place in enumerate([*self.places, None]):
            end = place.start if place else self.end + GAP
            offset = touched(position, end - position, 0xFFFF - i % len(POISONS))
            if offset >= 0:
                previous, address = self.places[i - 1] if i else None, position + offset
                nearest = previous
                if previous is None or (place and place.start - address
                                        < address - previous.start - previous.size):
                    nearest = place
                return (nearest, address - nearest.start) if nearest else None
            position = place.start + place.size if place else end
        return None


def extent(array: np.ndarray) -> tuple[int, int]:
    """How many bytes of the array lie before its first element, and how many from end to end."""
    if not array.size:
        return 0, 0
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides)]
    bytes_before = -sum(s for s in steps if s < 0)
    return bytes_before, bytes_before + sum(s for s in steps if s > 0) + array.itemsize


def offset_of(array: np.ndarray) -> int:
    """The array's offset in its allocation, plus a multiple of 256, at which allocations begin on a GPU."""
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
