"""Which memory an address is in: what recorded calls point to, named without addresses."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from typing import Any

__all__ = ["Region", "Regions", "arrange"]


class Region:
    """A piece of memory.

    Attributes
    ----------
    number : int
        Its place among all regions.
    start, size : int
        Address and bytes, as they were when it was recorded.
    maker : int or None
        The number of the unit that has made it; ``None`` for memory that was there before.
    noted : bool
        Whether it was told of when it was made, so that a plan may have other memory in its place.
    """

    __slots__ = ("maker", "noted", "number", "owner", "size", "start")
    maker: int | None
    noted: bool
    number: int
    size: int
    start: int

    def __init__(self, number: int, start: int, size: int, maker: int | None, noted: bool, owner: Any):
        self.number, self.start, self.size, self.maker, self.noted = number, start, size, maker, noted
        self.owner: Any = owner  # a weak reference; memory that is gone may be somebody else's now


class Regions:
    """The regions that were made, found by address as long as their memory is alive.

    >>> import numpy
    >>> regions, memory = Regions(), numpy.empty(4)
    >>> region = regions.add(memory.ctypes.data, memory.nbytes, memory, maker=None)
    >>> found, offset = regions.find(memory[2:].ctypes.data)
    >>> found is region, offset
    (True, 16)
    >>> regions.find(memory.ctypes.data + 32) is None
    True
    """

    def __init__(self) -> None:
        self.all: list[Region] = []
        self._starts: list[int] = []
        self._alive: list[Region] = []  # in order of their starts

    def add(self, start: int, size: int, owner: Any, maker: int | None, noted: bool = False) -> Region:
        """A new region; those that were in its place are gone."""
        region = Region(len(self.all), start, size, maker, noted, weakref.ref(owner))
        self.all.append(region)
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = first
        while last < len(self._alive) and self._starts[last] < start + size:
            last += 1
        kept = [r for r in self._alive[first:last] if r.start + r.size <= start]
        self._alive[first:last] = [*kept, region]
        self._starts[first:last] = [r.start for r in self._alive[first:first + len(kept) + 1]]
        return region

    def find(self, address: int) -> tuple[Region, int] | None:
        """The region that an address is in, and how many bytes from its start; ``None`` if it is in none."""
        position = bisect_right(self._starts, address) - 1
        if position < 0:
            return None
        region = self._alive[position]
        if address >= region.start + max(region.size, 1) or region.owner() is None:
            return None
        return region, address - region.start


LINE = 64  # bytes: every region begins with a cache line


def arrange(lives: list[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Offsets for pieces of memory, so that those that live at the same time do not overlap; and all bytes.

    Parameters
    ----------
    lives : list of (int, int, int)
        Bytes, and the first and the last moment at which each is needed.

    >>> arrange([(64, 0, 1), (64, 1, 2), (64, 2, 3)])
    ([0, 64, 0], 128)
    """
    offsets, placed, total = [0] * len(lives), list[int](), 0
    for n in sorted(range(len(lives)), key=lambda n: (-lives[n][0], lives[n][1])):
        size, first, last = lives[n]
        others = sorted((offsets[m], offsets[m] + lives[m][0]) for m in placed
                        if lives[m][1] <= last and first <= lives[m][2])
        offset = 0
        for start, end in others:
            if start - offset >= size:
                break
            offset = max(offset, (end + LINE - 1) & -LINE)
        offsets[n] = offset
        placed.append(n)
        total = max(total, offset + size)
    return offsets, total
