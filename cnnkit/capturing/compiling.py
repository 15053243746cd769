"""From units to a list that can be replayed: which are native calls alone, and which memory they work in.

A unit is native where its calls are all it does (`NativeCalls.pure`), every address in them is of memory that
is known, and what it reads in its own memory was written by a native call before (`Unit.is_closed`). All
others are called again in Python. A forward and its backwards are of one kind, because a backward uses what
its forward has kept.

Memory of native units lies in one arena, by when it is needed. All other memory has a number in the table of
bases, and its address is filled in at every replay: arguments, parameters, what Python has made, and results,
which are new memory every time, so that whoever keeps one keeps its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnkit.backends.native import BoundCall, Executable, NativeCalls, NativeSlices, NativeWatch, Place
from cnnkit.capturing.memory import Region, arrange
from cnnkit.capturing.preparing import Preparation, prepared
from cnnkit.capturing.recording import Recording
from cnnkit.capturing.slicing import Run, runs_of
from cnnkit.capturing.units import Slot, Unit

__all__ = ["Layout", "NoteOfCall", "Prepared", "Thunk", "compiled", "natives"]

ARENA = 0  # the number of its base


@dataclass
class Thunk:
    """A unit that is called again in Python.

    Attributes
    ----------
    made : list of (Slot, int)
        The outputs whose addresses native calls use, and the number of the base that each one's is.
    """

    unit: Unit
    made: list[tuple[Slot, int]]


class Prepared:
    """What depends on parameters alone: the calls that make it, and whether they must be made again."""

    def __init__(self, calls: Executable, changed: Callable[[Any, bool], bool]):
        self._calls, self._changed, self._made = calls, changed, False

    def make(self, bases: Any, unmoved: bool) -> bool:
        """Make it for the parameters at these bases; ``False`` if their numbers want other kernels.

        `unmoved`: the parameters lie where they lay at the last call.
        """
        if self._changed(bases, unmoved) or not self._made:
            self._made = False
            self._made = not self._calls.run(bases)
        return self._made


@dataclass
class NoteOfCall:
    """A native call of a plan, and the regions of its arguments with the bytes from their starts."""

    bound: BoundCall
    regions: list[Any]


@dataclass
class Layout:
    """What a replay needs to know of memory.

    Attributes
    ----------
    arena : int
        Bytes.
    bases : dict
        Number of a region -> number of its base; of all regions that are not in the arena.
    offsets : dict
        Number of a region -> its place in the arena.
    calls : dict
        Number of a native unit -> the step that makes its calls, and the place of the first of them there.
    noted : dict
        Number of a step that is native calls -> these.
    """

    arena: int
    bases: dict[int, int]
    offsets: dict[int, int]
    calls: dict[int, tuple[int, int]] = field(default_factory=dict)
    noted: dict[int, list[NoteOfCall]] = field(default_factory=dict)


def natives(recording: Recording, kept: set[int] = frozenset()) -> set[int]:  # type: ignore[assignment]
    """The numbers of the units that are native calls alone; `kept`: of slots that are there afterwards."""
    chosen = {unit.number for unit in recording.units if unit.is_closed()}
    while True:
        python = [unit for unit in recording.units if unit.number not in chosen]
        taken = {slot.number for unit in python for slot in unit.ins if isinstance(slot, Slot)} | kept
        wrong = {unit.number for unit in recording.units if unit.number in chosen
                 and not _fits(unit, chosen, taken, recording)}
        if not wrong:
            return chosen
        chosen -= wrong


def _fits(unit: Unit, chosen: set[int], taken: set[int], recording: Recording) -> bool:
    """Whether a unit's partners are native too, and other memory that it uses is native's or known.

    A view of memory that is not native's is one that somebody has to make, if it is `taken`.
    """
    family = [unit.forward or unit, *(unit.forward or unit).backwards]
    if any(member.number not in chosen for member in family):
        return False
    if any(slot is not None and slot.number in taken and slot.maker is unit
           and slot.region.maker not in chosen for slot in unit.outs):
        return False
    for _, (region, _) in unit.touched():
        if region.maker in (None, unit.number) or region.maker in chosen:
            continue
        maker = recording.units[region.maker]
        if not any(slot is not None and slot.region is region for slot in maker.outs):
            return False
    return True


def compiled(recording: Recording, kept: Iterable[Slot], native: NativeCalls,
             arguments: Iterable[Slot] | None = None) -> tuple[
                 list[Thunk | Executable], list[list[int]], Layout, Prepared | None]:
    """The list to replay, what nobody needs after each step of it, the memory that it needs, and what is made
    before it once for given parameters.

    Parameters
    ----------
    recording : Recording
    kept : iterable of Slot
        What is there after the step: results, gradients, buffers.
    native : NativeCalls
    arguments : iterable of Slot, optional
        Those of the step, if it changes no parameter: then what depends on parameters alone is kept.
    """
    chosen = natives(recording, {slot.number for slot in kept})
    escaping = {slot.region.number for slot in kept}
    once = Preparation(set(), [], {}) if arguments is None or not isinstance(native, NativeWatch) else (
        prepared(recording, chosen, escaping | {slot.region.number for slot in arguments}))
    runs = runs_of(recording, chosen, escaping, once.calls, once.made, native) if (
        arguments is not None and isinstance(native, NativeSlices)) else []
    layout = _arranged(recording, chosen, escaping, once, runs)
    begins = {run.first: run for run in runs}
    in_runs = {(call.unit.number, call.number) for run in runs for call in run.calls}
    pointed = {region.number for unit in recording.units if unit.number in chosen
               for _, (region, _) in unit.touched()}
    steps: list[Thunk | Executable] = []
    touched: list[set[int]] = []
    waiting: list[BoundCall] = []
    before: list[BoundCall] = []
    used: set[int] = set()

    def finish() -> None:
        if waiting:
            steps.append(native.build(waiting))
            touched.append(set(used))
            waiting.clear()
            used.clear()
    for unit in recording.units:
        if unit.number in chosen:
            key = (unit.forward or unit).key
            layout.calls[unit.number] = len(steps), len(waiting)
            for part, call, places in begins[unit.number].expanded() if unit.number in begins else ():
                bound = BoundCall(call, [_place(place, layout) for place in places], None)
                waiting.append(bound)
                layout.noted.setdefault(len(steps), []).append(NoteOfCall(bound, places))
                used.update(region.number for _, (region, _) in part.unit.touched())
            for n, (call, places) in enumerate(unit.calls):
                if (unit.number, n) in in_runs:
                    continue
                bound = BoundCall(call, [_place(place, layout) for place in places], key)
                if (unit.number, n) in once.calls:
                    before.append(bound)
                    continue
                waiting.append(bound)
                layout.noted.setdefault(len(steps), []).append(NoteOfCall(bound, places))
            used.update(region.number for _, (region, _) in unit.touched())
        else:
            finish()
            touched.append(set())
            steps.append(Thunk(unit, [(slot, layout.bases[slot.region.number]) for slot in unit.outs
                                      if slot is not None and slot.region.maker == unit.number
                                      and slot.region.number in pointed]))
    finish()
    preparation = None
    if before and isinstance(native, NativeWatch):
        sources = [(Place(layout.bases[region.number], 0), region.size) for region in once.sources]
        preparation = Prepared(native.build(before), native.watch(sources))
    return steps, _let_go(steps, touched, {slot.number for slot in kept}), layout, preparation


def _place(place: Any, layout: Layout) -> Any:
    if place is None:
        return None
    if not place or not isinstance(place[0], Region):  # a table
        return tuple(_place(part, layout) for part in place)
    region, offset = place
    if region.number in layout.offsets:
        return Place(ARENA, layout.offsets[region.number] + offset)
    return Place(layout.bases[region.number], offset)


def _arranged(recording: Recording, chosen: set[int], escaping: set[int], once: Preparation,
              runs: Sequence[Run]) -> Layout:
    """Which regions are in the arena and where, and the numbers of the others.

    What is made `once` is there before all units, and stays if they need it; what a run reads or leaves is
    there for all of it.
    """
    sizes = {number: size for run in runs for number, size in run.sizes.items()}
    lives: dict[int, tuple[int, int]] = {}

    def used(region: Region, moment: int) -> None:
        if region.maker in chosen and region.number not in escaping:
            first, last = lives.get(region.number, (region.maker, moment))
            lives[region.number] = first, max(last, moment)
    for unit in recording.units:
        for _, (region, _) in unit.touched():
            used(region, unit.number)
        if unit.number in chosen:
            continue
        last = max([unit.number, *(backward.number for backward in unit.backwards)])
        for slot in (*unit.ins, *unit.outs):
            if isinstance(slot, Slot):
                used(slot.region, last)
    for run in runs:
        for number in lives.keys() & (run.before | run.after):
            first, last = lives[number]
            lives[number] = (min(first, run.first) if number in run.before else first,
                             max(last, run.last) if number in run.after else last)
    lives.update((number, (-1, len(recording.units) if stays else -1)) for number, stays in once.made.items())
    numbers = [*lives]
    offsets, total = arrange([(sizes.get(n, recording.regions.all[n].size), *lives[n]) for n in numbers])
    others = [region.number for region in recording.regions.all if region.number not in lives]
    return Layout(total, {number: n for n, number in enumerate(others, ARENA + 1)},
                  dict(zip(numbers, offsets)))


def _let_go(steps: Sequence[Thunk | Executable], touched: Sequence[set[int]],
            kept: set[int]) -> list[list[int]]:
    """The arrays of Python's that nobody needs after each step, by the numbers of their slots.

    `touched` says which regions each step's native calls use.
    """
    regions: dict[int, int] = {}  # of the slots that thunks make
    last: dict[int, int] = {}
    for n, step in enumerate(steps):
        if isinstance(step, Thunk):
            for slot in (*step.unit.ins, *step.unit.outs):
                if isinstance(slot, Slot):
                    last[slot.number] = n
            regions.update((slot.number, slot.region.number) for slot in step.unit.outs if slot is not None)
    gone: list[list[int]] = [[] for _ in steps]
    for number, region in regions.items():
        if number not in kept:
            moments = [n for n, numbers in enumerate(touched) if region in numbers]
            gone[max([last[number], *moments])].append(number)
    return gone
