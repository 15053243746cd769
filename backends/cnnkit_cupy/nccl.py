"""Arrays of several processes' devices by NCCL: sent, received and gathered on CuPy's current stream.

NCCL adds nothing here: sums have a fixed order, which `cnnkit.distributed` sees to. No GPU has run this file
yet; a fake of two ranks has (`tests/backends/cnnkit_cupy/test_nccl.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from cnnkit.distributed import RankTimeout
from cnnkit_cupy.contracts import Device

__all__ = ["NCCLLinks", "links"]

Array = Any
Share = Callable[[bytes | None], bytes]
EAGER = 0.001    # seconds of polling without a pause
PAUSE = 0.0002   # seconds between two looks after that
CHECK = 0.05     # seconds between two looks at the other processes


def links(rank: int, size: int, share: Share, like: Array, device: Device) -> NCCLLinks:
    """Links of CuPy's arrays on the device of `like`."""
    from cupy.cuda import nccl

    return on_streams(rank, size, share, nccl, like, device)


def on_streams(rank: int, size: int, share: Share, nccl: Any, like: Array, device: Device) -> NCCLLinks:
    """The links that `nccl` makes, on CuPy's current stream and one beside it."""
    import cupy

    def current_stream() -> int:
        return cupy.cuda.get_current_stream().ptr

    def recorded() -> Any:
        event = cupy.cuda.Event(disable_timing=True)
        event.record()
        return event

    @contextmanager
    def aside() -> Iterator[None]:
        beside.wait_event(recorded())
        with beside:
            yield
    with like.device:
        beside = cupy.cuda.Stream(non_blocking=True)
        return NCCLLinks(rank, size, share, nccl, device, current_stream, recorded, aside)


class NCCLLinks:
    """A `cnnkit.distributed.linked.Links`.

    Parameters
    ----------
    rank, size : int
        Who this is, of how many.
    share : callable
        ``share(data)`` gives every rank what rank 0 gives.
    nccl : module
        `cupy.cuda.nccl`.
    device : Device
        Makes arrays, and knows where they are.
    stream : callable
        The address of the current stream.
    recorded : callable
        An event on the current stream, after all that was put there; its `done` says whether it has come.
    aside : callable
        Makes a block whose current stream is another one, after all that is on the current one.
    """

    def __init__(self, rank: int, size: int, share: Share, nccl: Any, device: Device,
                 stream: Callable[[], int], recorded: Callable[[], Any],
                 aside: Callable[[], AbstractContextManager[None]]):
        self._rank, self._size, self._nccl = rank, size, nccl
        self._device, self._stream, self._recorded = device, stream, recorded
        self.aside: Callable[[], AbstractContextManager[None]] = aside
        name = share(nccl.get_unique_id() if rank == 0 else None)
        self._communicator = nccl.NcclCommunicator(size, name, rank)
        self._kinds = {"float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64}
        self._kept: list[Array] = []  # until what was put on the stream is done

    def exchange(self, parts: Sequence[Array], sizes: Sequence[int]) -> list[Array]:
        received = [self._device.empty((size,), parts[0].dtype, parts[0]) for size in sizes]
        self._kept += [*parts, *received]
        received[self._rank] = parts[self._rank]
        stream, kind = self._stream(), self._kinds[str(parts[0].dtype)]
        self._nccl.groupStart()  # else each operation would wait for its counterpart
        for rank, (sent, result) in enumerate(zip(parts, received)):
            if rank == self._rank:
                continue
            if sent.size:
                self._communicator.send(self._device.address(sent), sent.size, kind, rank, stream)
            if result.size:
                self._communicator.recv(self._device.address(result), result.size, kind, rank, stream)
        self._nccl.groupEnd()
        return received

    def gather(self, part: Array) -> Array:
        result = self._device.empty((self._size * part.size,), part.dtype, part)
        self._kept += [part, result]
        self._communicator.allGather(self._device.address(part), self._device.address(result), part.size,
                                     self._kinds[str(part.dtype)], self._stream())
        return result

    def wait(self, check: Callable[[], None], timeout: float) -> None:
        event, begin = self._recorded(), time.monotonic()
        looked = begin
        while not event.done:
            now = time.monotonic()
            if now - looked > CHECK:
                looked = now
                check()
                self._communicator.check_async_error()
            if now - begin > timeout:
                raise RankTimeout(f"rank {self._rank} of {self._size} has waited {now - begin:.0f} s for the "
                                  "other ranks' gradients, which have not come by NCCL; a longer time: "
                                  f"cnnkit.distributed.init(timeout={2 * timeout:.0f})")
            time.sleep(0 if now - begin < EAGER else PAUSE)
        self._kept.clear()

    def abort(self) -> None:
        self._communicator.abort()
        self._kept.clear()
