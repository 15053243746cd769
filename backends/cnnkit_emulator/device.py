"""The emulated device: memory, and kernels that run on the CPU one thread block after the other.

It has the members that `cnnkit_cupy` asks of a device: ``empty``, ``address``, ``run``. Around every launch it looks for
what a GPU forgives until it does not: writes outside the arrays, writes into inputs, arguments of a wrong size.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnkit_emulator.array import Array, poisoned
from cnnkit_emulator.build import build, with_lines

__all__ = ["EmulatedDevice", "KernelFault", "schedule", "traced"]

GUARD = 1 << 16  # bytes before and after each array that a kernel must not write; it reads NaN there
ALIGNMENT = 256  # of a fresh array, as on a GPU
SCHEDULES = ("in order", "reversed", "skewed")


class KernelFault(RuntimeError):
    """A kernel did what no kernel may do; the message says which, what and where."""


_local = threading.local()
_one_launch = threading.Lock()


@contextmanager
def schedule(name: str, seed: int = 0) -> Iterator[None]:
    """Run threads ``"in order"``, ``"reversed"``, or ``"skewed"``: a random warp runs until it blocks before another moves.

    A kernel whose result depends on the schedule lacks a barrier.
    """
    if name not in SCHEDULES:
        raise ValueError(f"there is no schedule {name!r}; there are {', '.join(SCHEDULES)}")
    before = getattr(_local, "schedule", (0, 0))
    _local.schedule = (SCHEDULES.index(name), seed)
    try:
        yield
    finally:
        _local.schedule = before


@contextmanager
def traced() -> Iterator[None]:
    """Watch every access of kernels in this thread: races within and between blocks, and reads of unwritten shared memory.

    Kernels are built anew, and run several times slower.
    """
    before, _local.trace = getattr(_local, "trace", False), True
    try:
        yield
    finally:
        _local.trace = before


class EmulatedDevice:
    """Launches CUDA kernels on host memory."""

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Array, channels_last: bool = False) -> Array:
        """A new array of NaN (or of integers whose bits are all 1) in C order, or (N, C, H, W) over (N, H, W, C)."""
        if channels_last:
            n, c, h, w = shape
            return Array(poisoned((n, h, w, c), dtype).transpose(0, 3, 1, 2))
        return Array(poisoned(shape, dtype))

    def address(self, array: Array) -> int:
        """The address that the kernel will see, as far as its alignment goes."""
        return _offset(array.host)

    def run(self, source: str, kernels: tuple[str, ...], name: str, grid: tuple[int, int, int], block: tuple[int, int, int],
            arguments: Sequence, written: Sequence[bool]) -> int:
        """Launch the kernel called `name` of this source; `kernels` are all the instances that the source is built with.

        Parameters
        ----------
        arguments : sequence of Array, NumPy scalar or None
            Arrays by address, scalars and structures (0-d NumPy values) by value, ``None`` as the null pointer.
        written : sequence of bool
            Which of them are arrays that the kernel writes.

        Returns
        -------
        int
            Bytes of shared memory that a block used.

        Raises
        ------
        KernelFault
            Barriers that not all threads reach; writes outside the arrays, outside shared memory, or into inputs.
        """
        trace = getattr(_local, "trace", False)
        library, index = build(source, kernels, trace), kernels.index(name)
        guarded = [Guarded(a.host) if isinstance(a, Array) else None for a in arguments]
        values = [np.uintp(0 if a is None else g.address) if a is None or g is not None else a for a, g in zip(arguments, guarded)]
        for i in range(len(values) + 1):
            wanted, given = library.emu_argument_size(index, i), values[i].nbytes if i < len(values) else 0
            if wanted != given:
                raise KernelFault(f"{name}: argument {i} has {given} bytes, and the kernel takes {wanted}")
        cells = [np.array(v) for v in values]
        pointers = (ctypes.c_void_p * len(cells))(*(c.ctypes.data for c in cells))
        message = ctypes.create_string_buffer(1000)
        chosen, seed = getattr(_local, "schedule", (0, 0))
        with _one_launch:
            if trace:
                library.emu_forget()
                for memory in filter(None, guarded):
                    library.emu_watch(memory.memory.ctypes.data + memory.first, memory.size)
            shared = library.emu_launch(index, (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), pointers, chosen, seed,
                                        message, len(message))
        if shared < 0:
            raise KernelFault(f"{name}: {with_lines(library, message.value.decode())}")
        for i, (array, memory, writes) in enumerate(zip(arguments, guarded, written)):
            if memory is not None:
                memory.check(f"{name}: argument {i}, an array of shape {array.shape}", writes)
                if writes:
                    memory.copy_back(array.host)
        return shared


def _low(array: np.ndarray) -> tuple[int, int]:
    """How many bytes the array reaches before its first element, and how many from there to its end."""
    if not array.size:
        return 0, 0
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides)]
    before = -sum(s for s in steps if s < 0)
    return before, before + sum(s for s in steps if s > 0) + array.itemsize


def _offset(array: np.ndarray) -> int:
    """Where in its own allocation the array starts, which on a GPU begins at a multiple of 256."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return array.ctypes.data - owner.ctypes.data + (1 << 20) * ALIGNMENT


class Guarded:
    """A copy of an array's memory between two guards, with the alignment that the array would have on a GPU."""

    def __init__(self, array: np.ndarray):
        before, self.size = _low(array)
        self.memory = np.full(self.size + 2 * GUARD + 2 * ALIGNMENT, 0xFF, np.uint8)
        wanted = (_offset(array) - before) % ALIGNMENT
        first = GUARD + (wanted - self.memory.ctypes.data - GUARD) % ALIGNMENT
        self.inside = self.memory[first:first + self.size]
        if self.size:
            start = ctypes.c_char * self.size
            self.inside[:] = np.frombuffer(start.from_address(array.ctypes.data - before), np.uint8)
        self.first, self.before = first, self.inside.copy()
        self.address = self.memory.ctypes.data + first + before

    def check(self, what: str, writes: bool) -> None:
        """Raise where the kernel wrote what it must not."""
        touched = np.flatnonzero(self.memory != 0xFF)
        outside = touched[(touched < self.first) | (touched >= self.first + self.size)]
        if outside.size:
            at = int(outside[0]) - self.first
            place = f"{-at} bytes before its start" if at < 0 else f"{at - self.size} bytes behind its end"
            raise KernelFault(f"{what}: the kernel wrote out of bounds, {place}")
        if not writes and (self.inside != self.before).any():
            raise KernelFault(f"{what}: the kernel wrote into an input")

    def copy_back(self, array: np.ndarray) -> None:
        """Put what the kernel wrote into the array (without gaps: the launcher sees to it)."""
        if self.size:
            ctypes.memmove(array.ctypes.data, self.inside.ctypes.data, self.size)
