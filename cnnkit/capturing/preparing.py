"""Which calls of a recording need not be made at every replay: those that read nothing but parameters.

In evaluation a kernel packs its filters, and folds batch norm into them, by calls whose results depend on
parameters and buffers alone. A replay keeps what they have made, and makes them again where a parameter's
numbers have changed.
"""

from __future__ import annotations

from cnnkit.capturing.memory import Region
from cnnkit.capturing.recording import Recording
from cnnkit.capturing.units import Slot

__all__ = ["Preparation", "prepared"]

Calls = set[tuple[int, int]]  # numbers of a unit and of one of its calls


class Preparation:
    """The calls that are made once for given parameters.

    Attributes
    ----------
    calls : set of (int, int)
        Numbers of the unit, and of the call in it.
    sources : list of Region
        The parameters that they read.
    made : dict
        Number of a region that they write -> whether other calls read it.
    """

    def __init__(self, calls: Calls, sources: list[Region], made: dict[int, bool]):
        self.calls, self.sources, self.made = calls, sources, made


def prepared(recording: Recording, chosen: set[int], variable: set[int]) -> Preparation:
    """What can be made once, of the units that are native calls alone.

    Parameters
    ----------
    recording : Recording
    chosen : set of int
        The numbers of those units.
    variable : set of int
        The numbers of the regions that are others at every replay, or belong to the program afterwards.
    """
    touched: dict[tuple[int, int], list[tuple[Region, bool]]] = {}  # of each call: memory, whether written
    writers: dict[int, int] = {}
    for unit in recording.units:
        if unit.number not in chosen:
            continue
        for n, places in enumerate(unit.touched_by_call()):
            touched[unit.number, n] = [(region, kind == "write") for kind, (region, _) in places]
            for number in {region.number for region, written in touched[unit.number, n] if written}:
                writers[number] = writers.get(number, 0) + 1
    moving = variable | {number for number, count in writers.items() if count > 1}
    moving |= {region.number for region in recording.regions.all
               if region.maker is not None and not (region.maker in chosen and region.number in writers)}
    drawn = {unit.number for unit in recording.units if (unit.forward or unit).key is not None}
    while True:
        calls = {call for call, memory in touched.items() if call[0] not in drawn
                 and any(written for _, written in memory)
                 and not any(region.number in moving for region, _ in memory)}
        others = {region.number for call, memory in touched.items() if call not in calls
                  for region, written in memory if written} - moving
        if not others:
            break
        moving |= others
    sources = {region.number: region for call in calls for region, _ in touched[call]
               if region.maker is None}
    made = {region.number: False for call in calls for region, written in touched[call] if written}
    needed = {region.number for call, memory in touched.items() if call not in calls for region, _ in memory}
    needed |= {slot.region.number for unit in recording.units if unit.number not in chosen
               for slot in (*unit.ins, *unit.outs) if isinstance(slot, Slot)}
    made.update((number, True) for number in needed & made.keys())
    return Preparation(calls, [*sources.values()], made)
