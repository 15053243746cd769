"""Ranks that are threads of one process, so that a test has several without any launcher."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SECONDS = 30  # that a rank waits for the others


class Ranks:
    """What the threads share."""

    def __init__(self, size):
        self.size, self.said = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=SECONDS)

    def run(self, work):
        """What ``work(communicator)`` returns on each rank; the first error of a rank that raises one."""
        def guarded(rank):
            try:
                return work(ThreadCommunicator(self, rank))
            except BaseException:
                self.barrier.abort()
                raise
        with ThreadPoolExecutor(self.size) as pool:
            futures = [pool.submit(guarded, rank) for rank in range(self.size)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return [future.result() for future in futures]


class ThreadCommunicator:
    """A `distributed.Communicator`."""

    def __init__(self, ranks, rank):
        self.ranks, self.rank, self.size = ranks, rank, ranks.size

    def _all(self, content):
        self.ranks.said[self.rank] = content
        self.ranks.barrier.wait()
        said = list(self.ranks.said)
        self.ranks.barrier.wait()
        return said

    def allgather(self, values):
        return np.array(self._all(values.copy()))

    def exchange(self, parts, sizes):
        return [parts[self.rank] for parts in self._all([part.copy() for part in parts])]

    def gather_parts(self, part, sizes):
        return np.concatenate(self._all(part.copy()))

    def broadcast(self, data, source=0):
        return self._all(data)[source]

    def barrier(self):
        self._all(None)

    def leave(self):
        self.ranks.barrier.abort()
