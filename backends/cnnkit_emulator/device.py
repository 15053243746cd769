"""The emulated device: memory, and kernels that run on the CPU one thread block after the other.

It has the members of `cnnkit_cupy.contracts.Device`: ``empty``, ``address``, ``run``. Around every launch it
looks for faults that a GPU may not report: writes outside the arrays, writes into inputs, arguments of a
wrong size. `schedule`, `traced`, `counted` and `sampled` set how the launches of a ``with`` block run.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from sys import getrefcount
from typing import Any

import numpy as np

from cnnkit.backends.c_integers import array_of
from cnnkit_emulator.array import Array, poisoned
from cnnkit_emulator.build import Launch, build, line_of, with_lines
from cnnkit_emulator.counting import Site, Traffic
from cnnkit_emulator.memory import ALIGNMENT, Arena, Place, offset_of, untouched

__all__ = ["EmulatedDevice", "KernelFault", "counted", "sampled", "schedule", "traced"]

SCHEDULES = ("in order", "reversed", "skewed")
WATCHED = {"races": 1, "alignment": 2, "bounds": 4}  # as in watch.h
COUNTS = 8
CAPABILITY, MULTIPROCESSORS = 90, 132  # an H100's
IN_A_LIST = next(map(getrefcount, [object()]))  # the count of an object that one list alone has


class KernelFault(RuntimeError):
    """A kernel made an access or a barrier that is not allowed; the message names it and its place."""


@dataclass(frozen=True)
class Mode:
    """How the launches of this thread run."""

    schedule: int = 0
    seed: int = 0
    watching: int = 0
    traffic: list[Traffic] | None = None
    blocks: tuple[int, ...] = ()


_local = threading.local()
_launches = threading.Lock()  # one launch at a time
MOST_WITH_STACKS = 32
_with_stacks: OrderedDict[ctypes.CDLL, None] = OrderedDict()  # the library of the latest launch last
if hasattr(os, "register_at_fork"):  # no fork in the middle of a launch, whose state the child would find
    os.register_at_fork(before=_launches.acquire, after_in_parent=_launches.release,
                        after_in_child=_launches.release)


def _mode() -> Mode:
    return getattr(_local, "mode", Mode())


@contextmanager
def _changed(**changes: Any) -> Iterator[None]:
    previous = _mode()
    _local.mode = replace(previous, **changes)
    try:
        yield
    finally:
        _local.mode = previous


@contextmanager
def schedule(name: str, seed: int = 0) -> Iterator[None]:
    """Run threads ``"in order"``, ``"reversed"`` or ``"skewed"``.

    In a skewed schedule a random warp runs until it blocks before another one does. A kernel whose result
    depends on the schedule lacks a barrier.
    """
    if name not in SCHEDULES:
        raise ValueError(f"there is no schedule {name!r}; there are {', '.join(SCHEDULES)}")
    with _changed(schedule=SCHEDULES.index(name), seed=seed):
        yield


@contextmanager
def traced(*checks: str) -> Iterator[None]:
    """Watch every access of kernels in this thread, in a build of its own that runs several times slower.

    Parameters
    ----------
    *what : str
        ``"races"``: within and between blocks, reads of unwritten shared memory, writes into inputs.
        ``"alignment"``: a ``float4`` that does not lie at a multiple of 16 bytes, and the like. ``"bounds"``:
        accesses beside an array or beside shared memory, and indices beyond an array's type. All three if
        none is named.
    """
    if unknown := set(checks) - set(WATCHED):
        raise ValueError(f"{sorted(unknown)[0]!r} cannot be watched; there are {', '.join(WATCHED)}")
    with _changed(watching=_mode().watching & COUNTS | sum(WATCHED[name] for name in set(checks or WATCHED))):
        yield


@contextmanager
def counted() -> Iterator[list[Traffic]]:
    """Count what a GPU would move: a list, to which each launch of this thread adds its `Traffic`."""
    traffic: list[Traffic] = []
    with _changed(watching=_mode().watching | COUNTS, traffic=traffic):
        yield traffic


@contextmanager
def sampled(*blocks: int) -> Iterator[None]:
    """Run only these blocks of every grid (-1 is the last), on the arrays themselves: some exceed memory.

    Nothing is copied, poisoned or checked. New arrays are zeros that take memory only where they are touched.
    """
    if not blocks:
        raise ValueError("which blocks? sampled(0, -1) runs the first and the last one")
    with _changed(blocks=blocks):
        yield


class EmulatedDevice:
    """Launches CUDA kernels on host memory."""

    counted = staticmethod(counted)  # for those who have the device from the registry

    @cached_property
    def _arena(self) -> Arena:
        return Arena()

    @cached_property
    def _counters(self) -> Array:
        return Array(np.zeros(256, np.uint32))

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array | None = None,
              channels_last: bool = False) -> Array:
        """A new array of NaN (or integers whose bits are all 1), in C order or with its channels last."""
        make = untouched if _mode().blocks else poisoned
        if channels_last:
            n, c, h, w = shape
            return Array(make((n, h, w, c), np.dtype(dtype)).transpose(0, 3, 1, 2))
        return Array(make(tuple(shape), np.dtype(dtype)))

    def counters(self, count: int, like: Array | None = None) -> Array:
        """Zeros of uint32 that kernels leave as zeros; see `cnnkit_cupy.contracts.Device`."""
        if _mode().blocks:  # blocks that do not run are not counted
            return Array(np.zeros(count, np.uint32))
        if count > self._counters.host.size:
            self._counters = Array(np.zeros(2 * count, np.uint32))
        return self._counters

    def address(self, array: Array) -> int:
        """A number with the alignment of the address that the kernel will see."""
        return offset_of(array.host)

    def layout(self, array: Array | None) -> tuple | None:
        """What decides whether a kernel takes the array; see `cnnkit_cupy.contracts.Device`."""
        if array is None:
            return None
        host = array.host
        return host.dtype, host.shape, host.strides, offset_of(host) % ALIGNMENT, None

    def capability(self, like: Array | None = None) -> int:
        """As that of the newest GPU that kernels are written for."""
        return CAPABILITY

    def multiprocessors(self, like: Array | None = None) -> int:
        """As many as the GPU of that capability has."""
        return MULTIPROCESSORS

    def table(self, arrays: tuple[Array | None, ...], count: int) -> tuple[Array | None, ...]:
        """Several arrays as `run` takes them: a tuple of `count`."""
        return (*arrays, *[None] * (count - len(arrays)))

    def empties(self, shapes: Sequence[tuple[int, ...]], dtype: Any,
                like: Array | None = None) -> list[Array]:
        """New arrays; see `empty`."""
        return [self.empty(shape, dtype, like) for shape in shapes]

    def is_held(self, arrays: Sequence[Array], places: int) -> bool:
        """Whether one of these arrays is in more than so many places, or its memory in another array."""
        hosts = [a.host for a in arrays]
        return (max(map(getrefcount, arrays)) > IN_A_LIST - 1 + places
                or max(map(getrefcount, hosts)) > IN_A_LIST + 1)

    def renewed(self, arrays: Sequence[Array]) -> list[Array]:
        """Other objects for the memory of these arrays."""
        return [Array(a.host) for a in arrays]

    def by_value(self, packed: np.ndarray) -> np.ndarray:
        """A number or a structure as `run` takes it: as it is."""
        return packed

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> int | None:
        """Launch the kernel called `name` of this source, which is built with the instances `kernels`.

        Parameters
        ----------
        arguments : sequence of Array, NumPy scalar or None
            Arrays by address, tuples of arrays as the structure of their addresses, scalars and structures
            (NumPy arrays of one element) by value, ``None`` as the null pointer.
        written : sequence of bool
            Which of them are arrays that the kernel writes.
        dynamic : int
            Bytes of dynamic shared memory.

        Returns
        -------
        int or None
            Bytes of shared memory that a block used; None where the source has plain
            ``__shared__`` variables.

        Raises
        ------
        KernelFault
            Barriers that not all threads reach; writes outside the arrays, outside shared memory, or into
            inputs; what `traced` watches.
        """
        mode = _mode()
        library, index = build(source, kernels, bool(mode.watching)), kernels.index(name)
        with _launches:
            # arrays, those of tuples one by one: the argument's position, the array, and its place
            every = [(i, a) for i, given in enumerate(arguments)
                     for a in (given if isinstance(given, tuple) else (given,)) if isinstance(a, Array)]
            placed = [(i, a, None if mode.blocks else self._arena.place(a.host)) for i, a in every]
            addresses = {(i, id(a)): place.address if place else a.host.ctypes.data for i, a, place in placed}
            try:
                values = [_by_value(given, i, addresses) for i, given in enumerate(arguments)]
                _check_sizes(library, index, name, values)
                library.emu_arena(self._arena.start,
                                  self._arena.end + (1 << 20) if self._arena.places else self._arena.start)
                for i, _, place in placed:
                    if place is not None:
                        library.emu_array(place.start, place.size, i, written[i])
                shared_bytes, message = _launch(library, index, grid, block, values, mode, dynamic)
                if shared_bytes < 0:
                    raise KernelFault(f"{name}: {with_lines(library, message)}")
                if not mode.blocks:
                    self._check(library, name, placed, written)
                for i, _, place in placed:
                    if place is not None and written[i]:
                        place.copy_back()
            finally:
                self._arena.clear()
            if mode.traffic is not None:
                output = sum(a.nbytes for i, a in every if written[i])
                mode.traffic.append(Traffic(name, output, _sites(library)))
        return None if library.emu_plain_shared() else shared_bytes

    def prepared(self, *launch: Any) -> Sequence[Callable]:
        """The launch that `run` would make, as a call."""
        return (partial(self.run, *launch),)

    def _check(self, library: ctypes.CDLL, name: str, placed: Sequence[tuple],
               written: Sequence[bool]) -> None:
        """Raise a fault if the kernel wrote outside its arrays or into an input."""
        if outside := self._arena.written_outside(library.emu_touched):
            place, offset = outside
            distance = (f"{-offset} bytes before its start" if offset < 0
                        else f"{offset - place.size} bytes behind its end")
            raise KernelFault(f"{_described(name, placed, place)}: "
                              f"the kernel wrote out of bounds, {distance}")
        for i, _, copy in placed:
            if copy is not None and not written[i] and copy.changed():
                raise KernelFault(f"{_described(name, placed, copy)}: "
                                  "the kernel wrote into an input")


def _described(name: str, placed: Sequence[tuple], place: Place) -> str:
    i, array = next((i, array) for i, array, p in placed if p is place)
    return f"{name}: argument {i}, an array of shape {array.shape}"


def _by_value(argument: Any, position: int, addresses: dict[tuple[int, int], int]) -> Any:
    """A kernel's argument: an array's address, a tuple's addresses, or the value itself."""
    if isinstance(argument, tuple):
        return np.array([0 if a is None else addresses[position, id(a)] for a in argument], np.uintp)
    if isinstance(argument, Array):
        return np.uintp(addresses[position, id(argument)])
    return np.uintp(0) if argument is None else argument


def _check_sizes(library: ctypes.CDLL, index: int, name: str, values: Sequence) -> None:
    for i in range(len(values) + 1):
        expected, actual = library.emu_argument_size(index, i), values[i].nbytes if i < len(values) else 0
        if expected != actual:
            raise KernelFault(f"{name}: argument {i} has {actual} bytes, and the kernel takes {expected}")


def _keep_stacks(library: ctypes.CDLL) -> None:
    """Let the latest libraries keep their stacks: some 500 mappings each, of a process's 65,000."""
    _with_stacks[library] = None
    _with_stacks.move_to_end(library)
    while len(_with_stacks) > MOST_WITH_STACKS:
        _with_stacks.popitem(last=False)[0].emu_release_stacks()


def _launch(library: ctypes.CDLL, index: int, grid: tuple, block: tuple, values: Sequence, mode: Mode,
            dynamic: int) -> tuple[int, str]:
    """The bytes of shared memory and no message; or -1 and the message of a fault."""
    cells = [np.array(v) for v in values]
    pointers = (ctypes.c_void_p * len(cells))(*(c.ctypes.data for c in cells))
    count = grid[0] * grid[1] * grid[2]
    chosen = [b for b in dict.fromkeys(b if b >= 0 else count + b for b in mode.blocks) if 0 <= b < count]
    numbers = (ctypes.c_uint64 * len(chosen)).from_buffer_copy(
        array_of(ctypes.c_uint64, "sampled", *chosen)) if mode.blocks else None
    message = ctypes.create_string_buffer(1000)
    _keep_stacks(library)
    shared_bytes = library.emu_launch(ctypes.byref(Launch(
        index, grid, block, pointers, mode.schedule, mode.seed, dynamic, mode.watching,
        numbers, len(chosen), ctypes.cast(message, ctypes.c_char_p), len(message))))
    return shared_bytes, message.value.decode()


def _sites(library: ctypes.CDLL) -> tuple[Site, ...]:
    """What the launch counted, instruction by instruction."""
    row, sites = (ctypes.c_uint64 * 8)(), []
    for i in range(library.emu_site_count()):
        library.emu_site(i, row)
        shared, writes, size, offset, requests, requested, actual, least = row
        sites.append(Site(line_of(library, offset), bool(shared), bool(writes), size,
                          requests, requested, actual, least))
    return tuple(sites)
