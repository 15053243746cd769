"""A plan replayed for several parts of a batch at once, call by call: all parts make a call before any makes
the next one.

Every part has memory of its own, which lies behind that of the part before it. So a table can make one call
of those of all parts, where that gives the same bits (`cnnkit.backends.native.NativeTogether`): filters are
then packed and transformed once, and not for each part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cnnkit.backends.native import BoundCall, Executable, NativeTogether, Place
from cnnkit.capturing.compiling import ARENA, Layout, NoteOfCall
from cnnkit.capturing.memory import LINE, Region
from cnnkit.capturing.units import Slot

__all__ = ["Merged", "merged"]

FINISHED = 1 << 19  # bytes of a part's gradients, after which somebody may send them
Piece = tuple[list[BoundCall], list[int]]


class Merged:
    """The calls of all parts, and their memory.

    Attributes
    ----------
    calls : dict
        Number of a plan's step that is native calls -> those of all parts, and which regions are complete
        after them; in pieces, that `FINISHED` bytes of such regions end.
    bases : object
        The table of bases: those of a plan for the first part, then those for the second one, and so on.
    arena : object
        What the arena's memory belongs to.
    joined : int
        How many calls each are made for all parts at once.
    """

    def __init__(self, joining: _Joining, calls: Mapping[int, Sequence[Piece]], joined: int):
        native = joining.native
        self.calls: dict[int, list[tuple[Executable, list[int]]]] = {
            step: [(native.build(bound), finished) for bound, finished in pieces]
            for step, pieces in calls.items()}
        self.bases: Any = native.bases(joining.count * joining.width)
        self.arena, self.bases[ARENA] = native.memory(joining.room_begin + joining.room)
        self.joined = joined
        self._joining = joining

    def arrays(self, slots: Iterable[Slot], part: int) -> dict[int, Any]:
        """A part's arrays in the arena, by the numbers of their slots."""
        joining = self._joining
        return {slot.number: joining.native.array(
            self.arena, joining.begin(slot.region, part) + slot.offset, *slot.layout) for slot in slots}


def merged(native: Any, layout: Layout, width: int, keys: int, apart: Collection[int], count: int,
           wanted: Collection[int] = ()) -> Merged | None:
    """What replays a plan for `count` parts; ``None`` where a call changes memory that all parts read.

    Parameters
    ----------
    native : NativeCalls
    layout : Layout
        Of the plan.
    width : int
        How many bases it has.
    keys : int
        How many random keys it draws.
    apart : collection of int
        The bases that are others for each part; beside the arena.
    count : int
    wanted : collection of int
        The numbers of regions of which one wants to know when they are complete.
    """
    joining = _Joining(native, layout, width, apart, count)
    calls: dict[int, list[Piece]] = {}
    joined = 0
    finished = _finished(layout, wanted)
    for step, of_step in layout.noted.items():
        pieces: list[Piece] = [([], [])]
        nbytes = 0
        for n, noted in enumerate(of_step):
            if any(place.base != ARENA and place.base not in apart for _, place in _written(noted)):
                return None
            if nbytes >= FINISHED:
                pieces.append(([], []))
                nbytes = 0
            together = joining.together(noted)
            joined += together is not None
            pieces[-1][0].extend([together] if together is not None else [
                BoundCall(noted.bound.call, joining.places(noted, part),
                          None if noted.bound.key is None else part * keys + noted.bound.key)
                for part in range(count)])
            for region in finished.get((step, n), ()):
                pieces[-1][1].append(region.number)
                nbytes += region.size
        calls[step] = pieces
    return Merged(joining, calls, joined)


def _finished(layout: Layout, wanted: Collection[int]) -> dict[tuple[int, int], list[Region]]:
    """Which regions are written for the last time by each call: step, and place in it."""
    last = {region.number: (region, (step, n)) for step, of_step in layout.noted.items()
            for n, noted in enumerate(of_step) for region, _ in _written(noted) if region.number in wanted}
    calls: dict[tuple[int, int], list[Region]] = {}
    for region, call in last.values():
        calls.setdefault(call, []).append(region)
    return calls


class _Joining:
    """Where each part's memory is."""

    def __init__(self, native: Any, layout: Layout, width: int, apart: Collection[int], count: int):
        self.native, self.count, self.width = native, count, width
        self._layout, self._apart = layout, apart
        self.room_begin: int = count * _lines(layout.arena)  # behind it, what joined calls work in
        self.room: int = 0

    def together(self, noted: NoteOfCall) -> BoundCall | None:
        """One call for all parts, if there is one and memory lies as it wants."""
        together = None
        if isinstance(self.native, NativeTogether) and noted.bound.key is None:
            together = self.native.together(noted.bound.call, self.count)
        if together is None:
            return None
        places: list[Any] = []
        for argument, place, where in zip(together.call.arguments, noted.bound.places, noted.regions):
            if argument.name == together.room:
                place = Place(ARENA, self.room_begin)
            elif argument.name in together.sizes:
                size = together.sizes[argument.name]
                if not isinstance(place, Place) or place.base != ARENA or size % LINE or (
                        where[1] or where[0].size != size):  # not all of its region, or gaps between parts
                    return None
                place = self._place(place, where, 0)
            elif place is not None and (isinstance(place, tuple) or place.base == ARENA
                                        or place.base in self._apart):
                return None  # what one part reads alone
            places.append(place)
        self.room = max(self.room, together.room_size)
        return BoundCall(together.call, places, None)

    def places(self, noted: NoteOfCall, part: int) -> list[Any]:
        return [None if place is None else
                tuple(None if one is None else self._place(one, region, part)
                      for one, region in zip(place, where)) if isinstance(place, tuple) else
                self._place(place, where, part)
                for place, where in zip(noted.bound.places, noted.regions)]

    def begin(self, region: Region, part: int) -> int:
        """Where a part's region is in the arena."""
        return self.count * self._layout.offsets[region.number] + part * _lines(region.size)

    def _place(self, place: Place, where: tuple[Region, int], part: int) -> Place:
        if place.base == ARENA:
            region, offset = where
            return Place(ARENA, self.begin(region, part) + offset)
        return Place(part * self.width + place.base, place.offset) if place.base in self._apart else place


def _written(noted: NoteOfCall) -> Iterator[tuple[Region, Place]]:
    """The memory that a call may change: regions, and places in them."""
    for argument, place, where in zip(noted.bound.call.arguments, noted.bound.places, noted.regions):
        if argument.kind in ("write", "writes") and place is not None:
            for one, region in zip(place, where) if isinstance(place, tuple) else ((place, where),):
                if one is not None:
                    yield region[0], one


def _lines(size: int) -> int:
    return (size + LINE - 1) & -LINE
