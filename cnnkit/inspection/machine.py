"""The roofline: what a machine can do at most, by its arithmetic and by its memory (Williams et al. 2009)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cnnkit import backends
from cnnkit.backends import Backend, MeasuresPeak, get_num_threads

__all__ = ["Roofline", "roofline"]

SIDE = 1024        # of the matrices whose product is timed where no kernel table measures the peak
NUMBERS = 1 << 24  # of the arrays that are added
ROUNDS = 5
_known: dict[tuple[str, tuple[str, ...], int], Roofline] = {}


@dataclass(frozen=True)
class Roofline:
    """What a machine can do at most.

    Attributes
    ----------
    flops : float
        Multiplications and additions a second, in float32.
    bandwidth : float
        Bytes a second from and to memory.
    threads : int
    how : str
        How the two were measured.
    """

    flops: float
    bandwidth: float
    threads: int
    how: str

    def seconds(self, flops: int, nbytes: int) -> float:
        """The least time for so many operations on so many bytes.

        >>> Roofline(1e9, 1e9, 1, "").seconds(flops=2000, nbytes=1000)
        2e-06
        """
        return max(flops / self.flops, nbytes / self.bandwidth)

    def share(self, seconds: float, flops: int, nbytes: int) -> float:
        """How near a kernel comes to that, from 0 to 1; above where its arrays are in a cache.

        >>> Roofline(1e9, 1e9, 1, "").share(4e-6, flops=2000, nbytes=1000)
        0.5
        """
        return self.seconds(flops, nbytes) / seconds

    def __str__(self) -> str:
        return (f"{self.flops / 1e9:,.1f} GFLOP/s, {self.bandwidth / 1e9:,.1f} GB/s on "
                f"{self.threads} thread{'s' if self.threads > 1 else ''} ({self.how})")


def roofline(backend: Backend | None = None) -> Roofline:
    """Measure what the machine can do, in about a second; the next call with the same settings knows it.

    The C++ kernels' table makes multiply-adds in registers, and adds arrays that no cache holds; elsewhere it
    is the library's own product of matrices, which may be slower than the machine, and its sum of arrays.

    Parameters
    ----------
    backend : Backend, optional
        The one in use by default.
    """
    backend = backend or backends.current()
    serving, threads = backend.serving(), get_num_threads()
    key = backend.name, tuple(table.name for table in serving), threads
    if key not in _known:
        runtime = next((table.runtime for table in serving if isinstance(table.runtime, MeasuresPeak)), None)
        if isinstance(runtime, MeasuresPeak):
            _known[key] = Roofline(runtime.peak_flops(), runtime.peak_bandwidth(), threads,
                                   "multiply-adds in registers; a sum of arrays in memory")
        else:
            _known[key] = _by_library(backend, threads)
    return _known[key]


def _by_library(backend: Backend, threads: int) -> Roofline:
    xp = backend.namespace
    matrix = xp.ones((SIDE, SIDE), dtype=backend.dtype("float32"))
    a, b = (xp.ones((NUMBERS,), dtype=backend.dtype("float32")) for _ in range(2))
    product = _seconds(backend, lambda: matrix @ matrix)
    added = _seconds(backend, lambda: a + b)
    return Roofline(2 * SIDE ** 3 / product, 12 * NUMBERS / added, threads,
                    "the library's product of matrices; its sum of arrays")


def _seconds(backend: Backend, work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        backend.synchronize()
        start = time.perf_counter()
        work()
        backend.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)
