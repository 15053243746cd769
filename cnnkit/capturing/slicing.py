"""Neighbouring calls of an evaluation made for a few images at a time, so that a call finds in the cache what
the one before has left there.

With many images a layer's results leave the cache before the next layer reads them. Calls that take one image
after the other (`NativeSlices`) are made for the first few images, all of them, then for the next few. What
only they use has room for these few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from cnnkit.backends.native import NativeCall, NativeSlices, PerImage
from cnnkit.capturing.memory import Region
from cnnkit.capturing.recording import Recording
from cnnkit.capturing.units import Slot, Unit

__all__ = ["Run", "runs_of"]

Calls = set[tuple[int, int]]


@dataclass
class RunCall:
    """A call of a run: the unit, its number among the unit's calls, the call, and how it takes images."""

    unit: Unit
    number: int
    call: NativeCall
    places: list[Any]
    way: PerImage

    def memory(self) -> Iterator[tuple[Region, int, int | None]]:
        """Each region, the bytes from its start, and those from image to image; ``None`` for other memory."""
        for argument, place in zip(self.call.arguments, self.places):
            if place is not None:
                yield *place, self.way.nbytes.get(argument.name)


class Run:
    """Calls that follow each other and take the same images.

    Attributes
    ----------
    first, last : int
        The numbers of its first and last unit.
    sizes : dict
        Number of a region that nothing else uses -> its bytes for the images that are taken at a time.
    before, after : set of int
        The numbers of the regions that are there from its first unit on, and until its last one.
    """

    def __init__(self, calls: list[RunCall]):
        self.calls = calls
        self.first, self.last = calls[0].unit.number, calls[-1].unit.number
        self.images = calls[0].way.images
        self.together = min(call.way.together for call in calls)
        self.sizes: dict[int, int] = {}
        self.before: set[int] = set()
        self.after: set[int] = set()

    def settle(self, last_uses: dict[int, int], staying: set[int]) -> bool:
        """Find what happens to its memory; ``False`` if it cannot be made some images at a time.

        `last_uses`: number of a region -> the last unit that uses it; `staying`: of those that are there
        before or after all units.
        """
        if len(self.calls) < 2 or self.images < 2 * self.together:
            return False
        touched: dict[int, tuple[Region, set[int | None], set[int]]] = {}
        for call in self.calls:
            if any(isinstance(place, tuple) and place and not isinstance(place[0], Region)
                   for place in call.places):
                return False  # a table of addresses
            for region, offset, nbytes in call.memory():
                _, steps, offsets = touched.setdefault(region.number, (region, set(), set()))
                steps.add(nbytes)
                offsets.add(offset)
        for number, (region, steps, offsets) in touched.items():
            if len(steps) > 1:
                return False  # read in two ways: the images would not meet
            nbytes = steps.pop()
            inside = region.maker is not None and self.first <= region.maker <= self.last
            ends_inside = number not in staying and last_uses[number] <= self.last
            if nbytes is None:
                if inside and number not in staying and last_uses[number] != region.maker:
                    return False  # results of all images, which a later call takes
                if not inside:
                    self.after.add(number)
            elif inside and ends_inside and offsets == {0} and region.size <= self.images * nbytes:
                self.sizes[number] = self.together * nbytes
            else:
                self.after.add(number)
                self.before.add(number)
        return True

    def expanded(self) -> Iterator[tuple[RunCall, NativeCall, list[Any]]]:
        """The calls with their arguments and places, for some images after the others."""
        for first in range(0, self.images, self.together):
            count = min(self.together, self.images - first)
            for call in self.calls:
                arguments = tuple(replace(argument, value=count) if argument.name == call.way.argument
                                  else argument for argument in call.call.arguments)
                places = [place if place is None or place[0].number in self.sizes else
                          (place[0], place[1] + first * call.way.nbytes.get(argument.name, 0))
                          for argument, place in zip(arguments, call.places)]
                yield call, replace(call.call, arguments=arguments), places


def runs_of(recording: Recording, chosen: set[int], escaping: Iterable[int], once: Calls,
            made_once: Iterable[int], native: NativeSlices) -> list[Run]:
    """The runs of a recording that changes nothing.

    Parameters
    ----------
    recording : Recording
    chosen : set of int
        The numbers of the units that are native calls alone.
    escaping : iterable of int
        The numbers of the regions that are there afterwards.
    once : set of (int, int)
        The calls, by numbers of the unit and of the call in it, that are made before all units.
    made_once : iterable of int
        The numbers of the regions that these write.
    native : NativeSlices
    """
    found: list[Run] = []
    run: list[RunCall] = []
    last_uses = _last_uses(recording)
    staying = {*escaping, *made_once}

    def finish() -> None:
        if run and (made := Run([*run])).settle(last_uses, staying):
            found.append(made)
        run.clear()
    for unit in recording.units:
        calls = [(n, *call) for n, call in enumerate(unit.calls) if (unit.number, n) not in once]
        ways = [way for _, call, _ in calls if (way := native.per_image(call)) is not None]
        images = {way.images for way in ways}
        if unit.number not in chosen or unit.key is not None or len(ways) < len(calls) or len(images) > 1:
            finish()
            continue
        if run and images and run[0].way.images not in images:
            finish()
        run += [RunCall(unit, n, call, places, way) for (n, call, places), way in zip(calls, ways)]
    finish()
    return found


def _last_uses(recording: Recording) -> dict[int, int]:
    """The last unit that uses each region."""
    last: dict[int, int] = {}
    for unit in recording.units:
        for _, (region, _) in unit.touched():
            last[region.number] = unit.number
        for slot in (*unit.ins, *unit.outs):
            if isinstance(slot, Slot):
                last[slot.region.number] = unit.number
    return last
