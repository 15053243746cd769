"""Launches as CUDA graphs.

A graph launches with the addresses that it was captured with. A replay may want others: results are new
memory, batches are, and parameters behind an update. But an allocator gives the same few places again and
again, so there is a graph for each set of addresses that has come, up to a number. Where there are more, what
moves is copied to memory that stays, and results from there. Dropout's keys are read from the device, as in
`cnnkit_cupy.recording`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.backends.native import Argument, BoundCall, Place
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import KERNELS, In, SteadyLaunch, Struct
from cnnkit_cupy.recording import WORDS

__all__ = ["Executable", "Launched", "Pointed"]

GRAPHS = 8  # of one list of launches: for so many sets of addresses
SLOT = 4    # words from one key to the next
KEY, THERE = Struct("Key"), In("uint32", optional=True)  # dropout's key, and where it is read from instead


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch as it was made, but for its arguments."""

    name: str
    function: Any
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    dynamic: int


@dataclass(frozen=True, slots=True)
class Pointed(Argument):
    """An array: its memory goes from `low` to `high` bytes behind the address."""

    low: int
    high: int


@dataclass(slots=True)
class _Base:
    """What launches use of the memory behind a number in the table of bases.

    Attributes
    ----------
    number, low, high : int
        From the lowest to the highest byte behind the address that stands there.
    written : bool
    memory, address : object, int
        Memory that stays, if the base has been given some, and the address that stands for it.
    """

    number: int
    low: int
    high: int
    written: bool = False
    memory: Any = None
    address: int = 0


class Executable:
    """See `cnnkit.backends.native.Executable`.

    Parameters
    ----------
    native : cnnkit_cupy.replay.CudaCalls
    calls : sequence of BoundCall
    """

    def __init__(self, native: Any, calls: Sequence[BoundCall]):
        self._native, self._cupy = native, native.cupy
        pointers = [(place, argument) for bound in calls
                    for place, argument in zip(bound.places, bound.call.arguments)
                    if isinstance(place, Place)]
        found: dict[int, _Base] = {}
        for place, argument in pointers:
            low = place.offset + argument.low  # type: ignore[attr-defined]
            high = place.offset + argument.high  # type: ignore[attr-defined]
            base = found.setdefault(place.base, _Base(place.base, low, high))
            base.low, base.high = min(base.low, low), max(base.high, high)
            base.written |= argument.kind == "write"
        self._bases = [*found.values()]
        order = {number: n for n, number in enumerate(found)}
        self._base_of = np.array([order[place.base] for place, _ in pointers], np.intp)
        self._offsets = np.array([place.offset for place, _ in pointers], np.int64)
        self._addresses = np.zeros(len(pointers) + 1, np.int64)  # the last one is null
        keys = [bound.key for bound in calls if bound.key is not None]
        self._keys = {key: SLOT * n for n, key in enumerate(dict.fromkeys(keys))}
        self._words = np.zeros(-(-SLOT * len(self._keys) // WORDS) * WORDS, np.uint32)
        self._sent: np.ndarray | None = None
        self._slots = self._cupy.zeros(self._words.shape, np.uint32)
        self._device = cuda_of(self._slots)
        self._send = [SteadyLaunch(self._device, "set_words", (1, 1, 1), part)
                      for part in self._words.reshape(-1, WORDS)]
        self._launches = self._bound(calls)
        self._graphs: dict[tuple[int, ...], Any] = {}
        self._seen: list[list[int]] = []  # the addresses of each graph
        self._stream = self._cupy.cuda.Stream(non_blocking=True)  # where graphs are captured

    def _bound(self, calls: Sequence[BoundCall]) -> list[tuple[Launched, list]]:
        """The launches, with arguments whose addresses stand in the table."""
        launches, count = [], 0
        for bound in calls:
            arguments: list[Any] = []
            for argument, place in zip(bound.call.arguments[1:], bound.places[1:]):
                if argument.kind == "held":
                    arguments.append(argument.value)
                    continue
                number = self._addresses.size - 1 if place is None else count
                arguments.append(self._device.by_value(self._addresses[number:number + 1]))
                count += place is not None
            parameters = KERNELS[bound.call.function].parameters
            if bound.key is not None and KEY in parameters:
                begin = self._keys[bound.key]
                arguments[parameters.index(THERE)] = self._slots[begin:begin + 2]
            launches.append((bound.call.arguments[0].value, arguments))
        return launches

    def set_number(self, call: int, name: str, value: Any) -> None:
        raise TypeError("updates run between the graphs, so no number of theirs is in one")

    def set_key(self, number: int, key: tuple[int, int]) -> None:
        begin = self._keys.get(number)
        if begin is not None:
            self._words[begin:begin + 2] = key

    def run(self, bases: Sequence[int]) -> int:
        stream = self._cupy.cuda.get_current_stream()
        self._native.join(stream)
        now = [bases[base.number] if base.memory is None else base.address for base in self._bases]
        graph = self._graphs.get(tuple(now))
        if graph is None:
            graph = self._captured(now)
        self._copy(bases, stream, back=False)
        if self._sent is None or not np.array_equal(self._sent, self._words):
            for send, part, slots in zip(self._send, self._words.reshape(-1, WORDS),
                                         self._slots.reshape(-1, WORDS)):
                send.revalue(part)
                send(slots)
            self._sent = self._words.copy()
        graph.launch(stream)
        self._copy(bases, stream, back=True)
        return 0

    def _captured(self, now: list[int]) -> Any:
        """A graph of the launches at these addresses."""
        if len(self._graphs) >= GRAPHS:
            self._stay(now)
        self._addresses[:-1] = np.array(now, np.int64)[self._base_of] + self._offsets
        with self._stream:
            self._stream.begin_capture()
            try:
                for launched, arguments in self._launches:
                    launched.function(launched.grid, launched.block, arguments, shared_mem=launched.dynamic)
            finally:
                graph = self._stream.end_capture()
        self._seen.append(now)
        self._graphs[tuple(now)] = graph
        return graph

    def _stay(self, now: list[int]) -> None:
        """Give what moves memory that stays, and its address in `now`; the graphs are forgotten.

        What two sets of memory take turns in is left, as long as something else moves more.
        """
        self._cupy.cuda.get_current_stream().synchronize()  # one may be running
        addresses = [len(set(known)) for known in zip(*self._seen, now)]
        for n, base in enumerate(self._bases):
            if addresses[n] > min(2, max(addresses) - 1):
                base.memory = self._cupy.cuda.alloc(base.high - base.low)
                base.address = now[n] = base.memory.ptr - base.low
        self._graphs.clear()
        self._seen.clear()

    def _copy(self, bases: Sequence[int], stream: Any, back: bool) -> None:
        """Copy what has other memory there, or what was written there back."""
        for base in self._bases:
            if base.memory is None or (back and not base.written):
                continue
            size, cuda = base.high - base.low, self._cupy.cuda
            outside = cuda.MemoryPointer(cuda.UnownedMemory(bases[base.number] + base.low, size, None,
                                                            self._native.place), 0)
            source, target = (base.memory, outside) if back else (outside, base.memory)
            target.copy_from_device_async(source, size, stream)
