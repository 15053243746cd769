"""Launches noted while a step is recorded, to be made again: what `cnnkit.capture` asks for.

While a thread records, `CupyDevice` tells what it does (`noting.local`). What CuPy does by kernels of its own
is not seen: the memory that they make is not known then, so whatever reads it is called again in Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnkit.backends.native import Argument, BoundCall, CallNotes, NativeCall
from cnnkit_cupy.executable import Executable, Launched, Pointed
from cnnkit_cupy.launcher import KERNELS
from cnnkit_cupy.noting import local
from cnnkit_cupy.parameters import InTable, Out, OutTable

__all__ = ["CudaCalls"]

Array = Any
# ops whose kernels do nothing but launches, forward and back
PURE = frozenset((
    "adaptive_avg_pool", "adaptive_max_pool", "add", "avg_pool", "batch_norm", "conv", "conv_filters",
    "conv_input", "cross_entropy", "dropout", "linear", "max_pool", "relu", "reshape", "scatter_add", "take"))
COUNTERS = 1024
PER_THREAD = 2  # the address of CUDA's default stream of each thread


class CudaCalls:
    """The `cnnkit.backends.native.NativeCalls` of the table ``cupy``; it serves one device."""

    pure = PURE

    def __init__(self) -> None:
        import cupy

        self.cupy = cupy
        self.place: int | None = None
        self._stream: Any = None  # that of the latest replay
        self._counters: list[Array] = []
        self._notes: CallNotes | None = None

    def settings(self) -> Hashable:
        return ()

    def held(self) -> int:
        """All of the pool; nothing where the device has as much again, for then memory does not count."""
        pool = self._pool()
        if pool is None:
            return 0
        free, _ = self.cupy.cuda.runtime.memGetInfo()
        return 0 if pool.total_bytes() < free else pool.total_bytes()

    def release(self) -> None:
        if (pool := self._pool()) is not None:
            pool.free_all_blocks()

    @contextmanager
    def noting(self, notes: CallNotes) -> Iterator[None]:
        before, local.noting, self._notes = local.noting, self, notes
        try:
            yield
        finally:
            local.noting = before
            with self._device():
                self._stream = self.cupy.cuda.get_current_stream()

    # -- what the device tells -------------------------------------------------------------------------------

    def allocated(self, array: Array) -> None:
        """The device has made an array."""
        assert self._notes is not None
        self._notes.allocated(array)

    def counters(self, count: int, like: Array) -> Array:
        """Zeros for kernels that count, which nobody else's launches use."""
        if not self._counters or self._counters[-1].size < count:
            with like.device:
                self._counters.append(self.cupy.zeros(max(COUNTERS, 2 * count), np.uint32))
        return self._counters[-1]

    def launched(self, name: str, function: Any, grid: tuple, block: tuple, dynamic: int, place: int,
                 arguments: Sequence) -> None:
        """The device has made a launch."""
        assert self._notes is not None
        kernel = KERNELS[name]
        if place != self.place:
            return self._notes.unlike(f"{name} runs on another device")
        listed = [Argument("held", "launch", Launched(name, function, grid, block, dynamic))]
        for n, (parameter, value) in enumerate(zip(kernel.parameters, arguments, strict=True)):
            if isinstance(parameter, InTable | OutTable):
                return self._notes.unlike(f"{name} takes a table of arrays")
            if kernel.by_value[n] or any(value is array for array in self._counters):
                listed.append(Argument("held", str(n), value))
                continue
            first, size = (0, 0) if value is None else _extent(value)
            address = 0 if value is None or not size else value.data.ptr
            listed.append(Pointed("write" if isinstance(parameter, Out) else "read", str(n), address,
                                  first - address, first - address + size))
        return self._notes.called(NativeCall(name, tuple(listed), None))

    # -- memory ----------------------------------------------------------------------------------------------

    def where(self, array: Array) -> tuple[int, int, Any]:
        if self.place is None:
            self.place = array.data.device_id
        return (*_extent(array), array if array.base is None else array.base)

    def address(self, array: Array) -> int:
        return array.data.ptr

    def memory(self, nbytes: int) -> tuple[Any, int]:
        with self._device():
            memory = self.cupy.cuda.alloc(nbytes)
        return memory, memory.ptr

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any,
              strides: tuple[int, ...]) -> Array:
        with self._device():
            return self.cupy.ndarray(shape, dtype, memory + offset, strides)

    def bases(self, count: int) -> Any:
        return (ctypes.c_int64 * count)()

    def build(self, calls: Sequence[BoundCall]) -> Executable:
        with self._device():
            return Executable(self, calls)

    def _pool(self) -> Any:
        """The pool that this thread's memory comes from; ``None`` where it comes from none."""
        pool = getattr(self.cupy.cuda.get_allocator(), "__self__", None)
        return pool if hasattr(pool, "free_all_blocks") else None

    def _device(self) -> Any:
        return self.cupy.cuda.Device(self.place)

    def join(self, stream: Any) -> None:
        """Have the stream wait for the replays before, whose memory the next one uses again."""
        before = self._stream
        if before.ptr == stream.ptr and stream.ptr != PER_THREAD:
            return
        if PER_THREAD in (before.ptr, stream.ptr):  # each thread has another one of this address
            self._device().synchronize()
        else:
            stream.wait_event(before.record())
        self._stream = stream


def _extent(array: Array) -> tuple[int, int]:
    """Where an array's memory begins, and its bytes, gaps included."""
    if not array.size:
        return array.data.ptr, 0
    spans = [(n - 1) * stride for n, stride in zip(array.shape, array.strides)]
    return array.data.ptr + sum(s for s in spans if s < 0), sum(map(abs, spans)) + array.itemsize
