"""What a recording consists of: units, and the arrays that go from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, starmap
from typing import Any

from cnnkit.backends.native import NativeCall
from cnnkit.capturing.memory import Region

__all__ = ["Constant", "Slot", "Unit"]


class Slot:
    """An array that goes from unit to unit.

    Attributes
    ----------
    number : int
    maker : Unit or None
        The unit that made it; ``None`` for arrays that were there before.
    region, offset : Region, int
        The memory that it is in.
    layout : tuple
        Shape, dtype and strides, which it has in every replay.
    """

    __slots__ = ("layout", "maker", "number", "offset", "region")
    layout: tuple[Any, ...]
    maker: Unit | None
    number: int
    offset: int
    region: Region

    def __init__(self, number: int, maker: Unit | None, region: Region, offset: int, layout: tuple[Any, ...]):
        self.number, self.maker, self.region, self.offset, self.layout = number, maker, region, offset, layout


class Constant:
    """An argument of a unit that is no array: ``None``, or a number."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value: Any = value


class Unit:
    """One call of a kernel, of a backward, or one sum: how to make it again, and what it has made.

    Attributes
    ----------
    run : callable
        ``run(arrays, key)`` calls it again: of a forward it returns ``(outputs, backward)``, else outputs.
    ins, outs : list
        A `Slot`, or a `Constant`, for each array; ``None`` for an output that there is not.
    calls : list of (NativeCall, list of (Region, int) or None)
        The native calls, and for each of their arguments the memory that it points to, of a table for each of
        its addresses.
    pure : bool
        Whether the native calls are all that it does, as far as is known when it has run.
    """

    __slots__ = ("backwards", "calls", "forward", "ins", "key", "label", "number", "outs", "pure", "run",
                 "why")
    forward: Unit | None
    ins: list[Any]
    label: str
    number: int
    run: Callable[..., Any]
    pure: bool
    why: str

    def __init__(self, number: int, label: str, run: Callable[..., Any], ins: list[Any], forward: Unit | None,
                 key: int | None):
        self.number, self.label, self.run, self.ins, self.forward = number, label, run, ins, forward
        self.key: int | None = key
        self.outs: list[Slot | None] = []
        self.calls: list[tuple[NativeCall, list[Any]]] = []
        self.backwards: list[Unit] = []
        self.pure, self.why = True, ""
        if forward is not None:
            forward.backwards.append(self)

    def touched(self) -> Iterator[tuple[str, tuple[Region, int]]]:
        """The memory that its native calls point to, in order: ``"read"`` or ``"write"``, and where."""
        return chain.from_iterable(self.touched_by_call())

    def touched_by_call(self) -> Iterator[Iterator[tuple[str, tuple[Region, int]]]]:
        """The same, apart for each of its calls."""
        return starmap(_touched, self.calls)

    def is_closed(self) -> bool:
        """Whether it is native calls alone, which know all memory and write its own before they read it."""
        written: set[int] = set()
        for kind, (region, _) in self.touched():
            if kind == "write":
                written.add(region.number)
            elif region.maker == self.number and region.number not in written:
                return False
        return self.pure and all(slot is None or slot.region.maker != self.number or (
            slot.region.noted and slot.region.number in written) for slot in self.outs)


def _touched(call: NativeCall, places: Sequence) -> Iterator[tuple[str, tuple[Region, int]]]:
    for argument, place in zip(call.arguments, places):
        if argument.kind in ("reads", "writes"):
            yield from ((argument.kind[:-1], memory) for memory in place if memory is not None)
        elif place is not None:
            yield argument.kind, place
