"""What the registry asks the kernel table about its machinery: instruction set, threads, memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from cnnkit_cpu import library, memory
from cnnkit_cpu.library import address

__all__ = ["Runtime"]

ROUNDS = 5              # the best of so many counts: other processes only make it slower
LONG = 0.02             # seconds of one measurement at least
NUMBERS = 1 << 24       # in each of three arrays, which no cache holds


class Runtime:
    """The `cnnkit.backends.Runtime` of the table ``cpu``."""

    def describe(self) -> str:
        """Instruction set, compiler and threads; and the best instruction set, where it was not built."""
        isa, compiler, threads = library.active.isa, library.active.cpu_compiler().decode(), library.threads
        missing = f"; {library.missing()}" if library.missing() else ""
        return f"{isa}, {compiler}, {threads} thread{'s' if threads > 1 else ''}{missing}"

    def get_num_threads(self) -> int:
        """How many threads a kernel uses at most."""
        return library.threads

    def set_num_threads(self, count: int) -> None:
        """Use so many from now on; each has memory of its own."""
        if count > library.MOST_THREADS:
            raise ValueError(f"set_num_threads needs at most {library.MOST_THREADS} threads; got {count}")
        library.threads = count

    def release_memory(self) -> None:
        """Give back the memory that is kept for results and scratch."""
        memory.pool.release()

    def watch_threads(self, on: bool) -> None:
        """Begin, from 0, or end to measure how long the threads work."""
        library.active.cpu_watch(int(on))

    def threads_time(self) -> tuple[float, float]:
        """Seconds that kernels ran on several threads, and that these worked then, all of them together."""
        nanoseconds = np.zeros(2, np.int64)
        library.active.cpu_watched(address(nanoseconds))
        return float(nanoseconds[0]) / 1e9, float(nanoseconds[1]) / 1e9

    def peak_flops(self) -> float:
        """Multiplications and additions a second, in registers, on all threads."""
        rounds = 1000
        while _seconds(partial(library.active.peak_multiply_adds, library.threads, rounds)) < LONG:
            rounds *= 2
        work = partial(library.active.peak_multiply_adds, library.threads, rounds)
        best = min(_seconds(work) for _ in range(ROUNDS))
        return library.active.peak_operations(library.threads, rounds) / best

    def peak_bandwidth(self) -> float:
        """Bytes a second that the sum of two long arrays reads and writes, on all threads."""
        a, b, to = (np.ones(NUMBERS, np.float32) for _ in range(3))
        work = partial(library.active.add_arrays, library.threads, NUMBERS, address(a), address(b),
                       address(to))
        best = min(_seconds(work) for _ in range(ROUNDS))
        return 3 * a.nbytes / best


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
