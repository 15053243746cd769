"""Memory of results: filled by native calls, kept by the program, and used again once nobody holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends.native import NativeCalls
from cnnkit.capturing.units import Slot

__all__ = ["Fresh", "Supply"]

Array = Any
MOST = 4  # sets that are kept: whoever keeps more results makes new ones


class Fresh:
    """One set of arrays for what native calls leave behind.

    Attributes
    ----------
    arrays : dict
        Number of a slot -> its array.
    places : list of (int, int)
        Number of a base, and its address.
    lists : list of list
        The arrays of the slots that were asked for, in their order.
    source, table : Fresh or None, object
        The set that the arrays before the step were in when this one was filled, and the bases then.
    tensors : list of Tensor
        Those that gradients become.
    values, columns, states : list
        What the program has had since this set was committed: arrays of Tensors, and states of optimizers,
        without their counters and with them.
    """

    __slots__ = ("_counts", "_held", "arrays", "columns", "lists", "places", "source", "states", "table",
                 "tensors", "values")
    arrays: dict[int, Array]

    def __init__(self, native: NativeCalls, regions: Sequence[tuple[int, int, int]], slots: Sequence[Slot],
                 wanted: Sequence[Sequence[int]]):
        memories = {number: native.memory(size) for number, _, size in regions}
        self.places: list[tuple[int, int]] = [(base, memories[number][1]) for number, base, _ in regions]
        self.arrays = {slot.number: native.array(memories[slot.region.number][0], slot.offset, *slot.layout)
                       for slot in slots}
        self.lists: list[list[Array]] = [[self.arrays[number] for number in numbers] for numbers in wanted]
        self.source: Fresh | None = None
        self.table: Any = None
        self.values: list[Array] = []
        self.tensors: list[Tensor] = []
        self.columns: list[dict[Any, Any]] = []
        self.states: list[dict] = []
        # a view that somebody makes of an array refers to the owner of its memory
        owners = [native.where(array)[2] for array in self.arrays.values()]
        self._held = [*{id(array): array for array in (*self.arrays.values(), *owners)}.values()]
        del owners
        self._counts: list[int] = []

    def settle(self) -> None:
        """Nobody holds the arrays and Tensors now, but this set."""
        self._held += self.tensors
        self._counts = [*map(getrefcount, self._held)]

    def hold(self) -> list[Any]:
        """What keeps `Supply.take` from giving the set to others."""
        return [*self._held]

    def forget(self) -> None:
        """Let go of what other sets, and the program, have."""
        self.source, self.table, self.values, self.states = None, None, [], []


class Supply:
    """Sets of arrays, of which `take` gives one that nobody holds; a new one is first shown to `furnish`.

    Attributes
    ----------
    most : int
        How many are kept.
    """

    most: int = MOST

    def __init__(self, native: NativeCalls, regions: Sequence[tuple[int, int, int]], slots: Sequence[Slot],
                 wanted: Sequence[Sequence[int]] = (), furnish: Callable[[Fresh], None] | None = None):
        self._made, self._furnish = (native, regions, slots, wanted), furnish
        self._sets: list[Fresh] = []

    def take(self) -> Fresh:
        """A set that nobody holds."""
        sets = self._sets
        for n, fresh in enumerate(sets):
            if [*map(getrefcount, fresh._held)] == fresh._counts:  # nobody holds any, or a view of one
                if n + 1 < len(sets):  # the next call looks at the others first
                    sets.append(sets.pop(n))
                return fresh
        fresh = Fresh(*self._made)
        if self._furnish is not None:
            self._furnish(fresh)
        fresh.settle()
        for old in self._sets[:1 - self.most]:
            old.forget()
        self._sets = [*self._sets[1 - self.most:], fresh]
        return fresh
