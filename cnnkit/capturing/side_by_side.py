"""Replays of one plan for several parts of a batch, side by side: see `cnnkit.capturing.merging`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.capturing.compiling import ARENA, Thunk
from cnnkit.capturing.merging import Merged, merged
from cnnkit.capturing.outcome import Outcome
from cnnkit.capturing.plan import Plan
from cnnkit.capturing.recording import Unlike

__all__ = ["Arrived", "SideBySide"]

Array = Any
Arrived = Callable[[Tensor, list[Array]], None]
MOST = 4 << 30  # bytes of memory for all parts: beyond, Python and packed filters are not what counts


class SideBySide:
    """What computes several parts with one plan.

    Parameters
    ----------
    plan : Plan
    """

    plan: Plan

    def __init__(self, plan: Plan):
        self.plan = plan
        self.merged: dict[int, Merged | None] = {}  # by the number of parts
        self._gradients: dict[int, list[tuple[Tensor, int]]] = {}  # by the region that they are in
        for tensor, slot in plan.grads:
            if slot is not None:
                self._gradients.setdefault(slot.region.number, []).append((tensor, slot.number))

    def compute(self, parts: Sequence[Sequence[Array]], keys: Sequence[Sequence[Any]],
                arrived: Arrived | None = None) -> list[Outcome] | None:
        """Replay all units for each part's arguments and random keys. No part sees what another changes.

        `arrived` is told of gradients, as soon as native calls have made a Tensor's for all parts. ``None``
        if these numbers want other kernels, or where the step changes what all parts read.
        """
        together = self._merged_for(len(parts))
        found = None if together is None else self.plan.find_sources()
        if together is None or found is None:
            return None
        outcomes = self._outcomes(together, found, parts, keys)
        if outcomes is None:
            return None
        try:
            self._run(together, [outcome.arrays for outcome in outcomes], keys, arrived)
        except Unlike:
            return None
        return outcomes

    def _merged_for(self, count: int) -> Merged | None:
        plan = self.plan
        if count not in self.merged:
            fits = plan.only_makes_gradients and count * plan.layout.arena <= MOST
            self.merged[count] = merged(plan.native, plan.layout, len(plan.bases), plan.key_count, plan.apart,
                                        count, self._gradients) if fits else None
            for supply in (plan.carried, plan.returned):
                supply.most = max(supply.most, count + 1)
        return self.merged[count]

    def _outcomes(self, together: Merged, found: dict[int, Array], parts: Sequence[Sequence[Array]],
                  keys: Sequence[Sequence[Any]]) -> list[Outcome] | None:
        """Each part's arrays before the step, and memory for its results, whose addresses are set."""
        plan, bases, outcomes = self.plan, together.bases, list[Outcome]()
        width, arena = len(plan.bases), bases[ARENA]
        bases[:width] = plan.bases[:]
        bases[ARENA] = arena
        for n, arrays in enumerate(parts):
            carried, returned = plan.carried.take(), plan.returned.take()
            arguments = dict(zip(plan.argument_numbers, arrays))
            outcome = Outcome({**plan.constants, **together.arrays(plan.taken, n), **found, **carried.arrays,
                               **returned.arrays, **arguments}, carried, None, False)
            outcome.held = [carried.hold(), returned.hold()]
            outcomes.append(outcome)
            for base, address in (*carried.places, *returned.places):
                bases[n * width + base] = address
            for (base, offset, itemsize), array in zip(plan.arguments, arrays):
                address = plan.native.address(array)
                if address % itemsize:  # an array that is not aligned is copied before it is used
                    return None
                bases[n * width + base] = address - offset
            for number, key in enumerate(keys[n], n * plan.key_count):
                for pieces in together.calls.values():
                    for calls, _ in pieces:
                        calls.set_key(number, key)
        return outcomes

    def _run(self, together: Merged, arrays: Sequence[dict[int, Array]], keys: Sequence[Sequence[Any]],
             arrived: Arrived | None) -> None:
        """Every step for all parts, before the next step."""
        plan = self.plan
        width = len(plan.bases)
        backwards: list[dict[int, Callable]] = [{} for _ in arrays]
        for n, (step, gone) in enumerate(zip(plan.steps, plan.gone)):
            if isinstance(step, Thunk):
                for part, of_part in enumerate(arrays):
                    plan.call(step, of_part, keys[part], backwards[part], together.bases, part * width)
            else:
                for calls, finished in together.calls[n]:
                    if calls.run(together.bases):
                        raise Unlike
                    if arrived is not None:
                        for tensor, slot in (one for region in finished for one in self._gradients[region]):
                            arrived(tensor, [of_part[slot] for of_part in arrays])
            for of_part in arrays:
                for number in gone:
                    del of_part[number]
