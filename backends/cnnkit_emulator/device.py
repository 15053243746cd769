"""The emulated device: memory, and kernels that run on the CPU one thread block after the other.

It has the members that `cnnkit_cupy` asks of a device: ``empty``, ``address``, ``run``. Around every launch
it looks for what a GPU forgives until it does not: writes outside the arrays, writes into inputs, arguments
of a wrong size. `schedule`, `traced`, `counted` and `sampled` say how the launches of a ``with`` block run.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cnnkit_emulator.array import Array, poisoned
from cnnkit_emulator.build import Launch, build, line_of, with_lines
from cnnkit_emulator.counting import Site, Traffic
from cnnkit_emulator.memory import Arena, Place, offset_of, untouched

__all__ = ["EmulatedDevice", "KernelFault", "counted", "sampled", "schedule", "traced"]

SCHEDULES = ("in order", "reversed", "skewed")
WATCHED = {"races": 1, "alignment": 2, "bounds": 4}  # as in watch.h
COUNTS = 8


class KernelFault(RuntimeError):
    """A kernel did what no kernel may do; the message says which, what and where."""


@dataclass(frozen=True)
class Mode:
    """How the launches of this thread run."""

    schedule: int = 0
    seed: int = 0
    watching: int = 0
    traffic: list[Traffic] | None = None
    blocks: tuple[int, ...] = ()


_local = threading.local()
_one_launch = threading.Lock()


def _mode() -> Mode:
    return getattr(_local, "mode", Mode())


@contextmanager
def _changed(**changes: Any) -> Iterator[None]:
    before = _mode()
    _local.mode = replace(before, **changes)
    try:
        yield
    finally:
        _local.mode = before


@contextmanager
def schedule(name: str, seed: int = 0) -> Iterator[None]:
    """Run threads ``"in order"``, ``"reversed"``, or ``"skewed"``: a random warp runs until it blocks before
    another moves.

    A kernel whose result depends on the schedule lacks a barrier.
    """
    if name not in SCHEDULES:
        raise ValueError(f"there is no schedule {name!r}; there are {', '.join(SCHEDULES)}")
    with _changed(schedule=SCHEDULES.index(name), seed=seed):
        yield


@contextmanager
def traced(*what: str) -> Iterator[None]:
    """Watch every access of kernels in this thread; a kernel is built anew for it, and runs
    several times slower.

    Parameters
    ----------
    *what : str
        ``"races"``: within and between blocks, reads of unwritten shared memory, writes into inputs.
        ``"alignment"``: a ``float4`` that does not lie at a multiple of 16 bytes, and the like. ``"bounds"``:
        accesses beside an array or beside shared memory, and indices beyond an array's type. All three if
        none is named.
    """
    if unknown := set(what) - set(WATCHED):
        raise ValueError(f"{sorted(unknown)[0]!r} cannot be watched; there are {', '.join(WATCHED)}")
    with _changed(watching=_mode().watching & COUNTS | sum(WATCHED[name] for name in set(what or WATCHED))):
        yield


@contextmanager
def counted() -> Iterator[list[Traffic]]:
    """Count what a GPU would move: a list, to which each launch of this thread adds its `Traffic`."""
    traffic: list[Traffic] = []
    with _changed(watching=_mode().watching | COUNTS, traffic=traffic):
        yield traffic


@contextmanager
def sampled(*blocks: int) -> Iterator[None]:
    """Run only these blocks of every grid (-1 is the last one), on the arrays themselves: for arrays
    larger than memory.

    Nothing is copied, poisoned or looked for. New arrays are zeros that take memory only where
    they are touched.
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

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array | None = None,
              channels_last: bool = False) -> Array:
        """A new array of NaN (or of integers whose bits are all 1) in C order, or (N, C, H, W) over
        (N, H, W, C).
        """
        make = untouched if _mode().blocks else poisoned
        if channels_last:
            n, c, h, w = shape
            return Array(make((n, h, w, c), np.dtype(dtype)).transpose(0, 3, 1, 2))
        return Array(make(tuple(shape), np.dtype(dtype)))

    def address(self, array: Array) -> int:
        """The address that the kernel will see, as far as its alignment goes."""
        return offset_of(array.host)

    def run(self, source: str, kernels: tuple[str, ...], name: str,
            grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool], dynamic: int = 0) -> int | None:
        """Launch the kernel called `name` of this source; `kernels` are all the instances that the source
        is built with.

        Parameters
        ----------
        arguments : sequence of Array, NumPy scalar or None
            Arrays by address, scalars and structures (0-d NumPy values) by value, ``None`` as the null
            pointer.
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
        with _one_launch:
            places = [None if not isinstance(a, Array) or mode.blocks else self._arena.place(a.host)
                      for a in arguments]
            try:
                values = [_by_value(a, p) for a, p in zip(arguments, places)]
                _check_sizes(library, index, name, values)
                library.emu_arena(self._arena.start,
                                  self._arena.end + (1 << 20) if self._arena.places else self._arena.start)
                for i, place in enumerate(places):
                    if place is not None:
                        library.emu_array(place.start, place.size, i, written[i])
                used, message = _launch(library, index, grid, block, values, mode, dynamic)
                if used < 0:
                    raise KernelFault(f"{name}: {with_lines(library, message)}")
                if not mode.blocks:
                    self._check(library, name, arguments, places, written)
                for place, writes in zip(places, written):
                    if place is not None and writes:
                        place.copy_back()
            finally:
                self._arena.clear()
            if mode.traffic is not None:
                output = sum(a.nbytes for a, writes in zip(arguments, written)
                             if writes and isinstance(a, Array))
                mode.traffic.append(Traffic(name, output, _sites(library)))
        return None if library.emu_plain_shared() else used

    def _check(self, library: ctypes.CDLL, name: str, arguments: Sequence, places: Sequence[Place | None],
               written: Sequence[bool]) -> None:
        """Raise where the kernel wrote what it must not."""
        if beside := self._arena.written_outside(library.emu_touched):
            place, at = beside
            where = f"{-at} bytes before its start" if at < 0 else f"{at - place.size} bytes behind its end"
            raise KernelFault(f"{_called(name, arguments, places, place)}: "
                              f"the kernel wrote out of bounds, {where}")
        for given, writes in zip(places, written):
            if given is not None and not writes and given.changed():
                raise KernelFault(f"{_called(name, arguments, places, given)}: "
                                  "the kernel wrote into an input")


def _called(name: str, arguments: Sequence, places: Sequence[Place | None], place: Place) -> str:
    i = next(i for i, p in enumerate(places) if p is place)
    return f"{name}: argument {i}, an array of shape {arguments[i].shape}"


def _by_value(argument: Any, place: Place | None) -> Any:
    """What the kernel is given: an address, or the value itself."""
    if isinstance(argument, Array):
        return np.uintp(place.address if place else argument.host.ctypes.data)
    return np.uintp(0) if argument is None else argument


def _check_sizes(library: ctypes.CDLL, index: int, name: str, values: Sequence) -> None:
    for i in range(len(values) + 1):
        wanted, given = library.emu_argument_size(index, i), values[i].nbytes if i < len(values) else 0
        if wanted != given:
            raise KernelFault(f"{name}: argument {i} has {given} bytes, and the kernel takes {wanted}")


def _launch(library: ctypes.CDLL, index: int, grid: tuple, block: tuple, values: Sequence, mode: Mode,
            dynamic: int) -> tuple[int, str]:
    """Bytes of shared memory, and nothing; or -1, and what went wrong."""
    cells = [np.array(v) for v in values]
    pointers = (ctypes.c_void_p * len(cells))(*(c.ctypes.data for c in cells))
    count = grid[0] * grid[1] * grid[2]
    chosen = [b for b in dict.fromkeys(b if b >= 0 else count + b for b in mode.blocks) if 0 <= b < count]
    message = ctypes.create_string_buffer(1000)
    used = library.emu_launch(ctypes.byref(Launch(
        index, grid, block, pointers, mode.schedule, mode.seed, dynamic, mode.watching,
        (ctypes.c_uint64 * len(chosen))(*chosen) if mode.blocks else None, len(chosen),
        ctypes.cast(message, ctypes.c_char_p), len(message))))
    return used, message.value.decode()


def _sites(library: ctypes.CDLL) -> tuple[Site, ...]:
    """What the launch counted, instruction by instruction."""
    row, found = (ctypes.c_uint64 * 8)(), []
    for i in range(library.emu_site_count()):
        library.emu_site(i, row)
        shared, writes, size, offset, requests, asked, actual, least = row
        found.append(Site(line_of(library, offset), bool(shared), bool(writes), size,
                          requests, asked, actual, least))
    return tuple(found)
