"""Uploads beside the computation: pinned memory, a copy stream, and events by which streams wait.

A batch is written into a buffer of pinned memory and copied from there on the copy stream. Three waits keep
it right: a buffer is not written before its last copy is done; the computation waits for the copy; and a
copy waits for the computation that was under way when it began, because memory that was freed there may be
where it writes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
BUFFERS = 4
STREAMS = 16  # whose work copies wait for; of one more, copies wait for what it has to do by then


class Buffer:
    """Staging memory, and the event of the last copy out of it."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.copied: Any = None  # has ``synchronize()``


class Ring:
    """A few buffers, used in turn.

    Parameters
    ----------
    allocate : callable
        ``allocate(bytes)`` gives host memory as an array of uint8.
    """

    def __init__(self, allocate: Callable[[int], np.ndarray], count: int = BUFFERS):
        self._allocate, self._buffers, self._next = allocate, [Buffer() for _ in range(count)], 0

    def stage(self, data: np.ndarray) -> Buffer:
        """Write `data` in C order into the next buffer, once its last copy is done.

        The caller sets `Buffer.copied` to the event of the new copy.
        """
        buffer = self._buffers[self._next]
        self._next = (self._next + 1) % len(self._buffers)
        if buffer.copied is not None:
            buffer.copied.synchronize()
            buffer.copied = None
        if buffer.memory.nbytes < data.nbytes:
            # a power of two, because the sizes of batches differ a little
            buffer.memory = self._allocate(1 << (data.nbytes - 1).bit_length())
        buffer.memory[:data.nbytes].view(data.dtype).reshape(data.shape)[...] = data
        return buffer


class Uploader:
    """Copies host arrays to one device, in any thread."""

    def __init__(self, device: Any):
        import cupy

        self.device, self._lock, self._noting = device, threading.Lock(), threading.Lock()
        self._ring = Ring(lambda size: np.frombuffer(cupy.cuda.alloc_pinned_memory(size), np.uint8, size))
        self._computing: OrderedDict[int, Any] = OrderedDict()  # streams that use what was uploaded
        with device:
            self._stream = cupy.cuda.Stream(non_blocking=True)

    def upload(self, data: np.ndarray) -> Callable[[], Array]:
        """Begin the copy; the function returned lets the current stream wait for it, and gives the array."""
        import cupy

        with self._lock, self.device:
            buffer = self._ring.stage(data)
            with self._stream:  # the memory returns to this stream's part of the pool
                array = cupy.empty(data.shape, data.dtype)
            with self._noting:
                streams = list(self._computing.values())
            for stream in streams:
                self._stream.wait_event(stream.record())
            array.data.copy_from_host_async(buffer.memory.ctypes.data, data.nbytes, self._stream)
            buffer.copied = copied = self._stream.record(cupy.cuda.Event(block=True, disable_timing=True))

        def arrived() -> Array:
            with self.device:
                stream = cupy.cuda.get_current_stream()
                stream.wait_event(copied)
            if stream.ptr == cupy.cuda.runtime.streamPerThread:
                raise RuntimeError("uploads cannot wait for CuPy's per-thread default stream, which is "
                                   "another one in each thread; unset CUPY_CUDA_PER_THREAD_DEFAULT_STREAM, "
                                   "or compute in `with cupy.cuda.Stream():`")
            with self._noting:
                self._computing[stream.ptr] = stream
                self._computing.move_to_end(stream.ptr)
                if len(self._computing) > STREAMS:
                    with self.device:
                        self._stream.wait_event(self._computing.popitem(last=False)[1].record())
            return array
        return arrived
