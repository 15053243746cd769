"""Lockstep: the shards of a process, one thread each, that go on together from meeting to meeting.

Only one thread computes at a time. Each goes until it meets the others or is done; when all have, the
process tells the other ranks what its shards say, and hands out what all shards say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends.state import choice
from cnnkit.distributed.meeting import local

__all__ = ["Lockstep"]


class Lockstep:
    """The threads of one update.

    Parameters
    ----------
    shards : int
        How many parts there are on all ranks.
    room : int
        The most numbers that a shard says at a meeting; the same on every rank.
    told : callable
        Gives what all ranks say, as lists of numbers, for what this one says.

    >>> from cnnkit.distributed.meeting import current
    >>> heard = {}
    >>> def part(shard):
    ...     def work():
    ...         heard[shard] = current().tell([shard + 1.0])
    ...     return work
    >>> Lockstep(2, 1, lambda numbers: [numbers]).run({0: part(0), 1: part(1)})
    >>> heard
    {0: [[1.0], [2.0]], 1: [[1.0], [2.0]]}
    """

    room: int
    shards: int

    def __init__(self, shards: int, room: int, told: Callable[[list[float]], list[list[float]]]):
        self.shards, self.room, self._told = shards, room, told
        self.message_size: int = 2 + shards * room

    def run(self, work: Mapping[int, Callable[[], Any]]) -> None:
        """Do the work of this rank's shards, and take part in the meetings of other ranks until all are done.

        An error of one shard ends the others, and is raised.
        """
        chosen = choice.here()
        threads = {shard: _Shard(self, shard, function, chosen) for shard, function in work.items()}
        active = dict(threads)
        try:
            while True:
                for shard, thread in list(active.items()):
                    thread.go_on()
                    if thread.error is not None:
                        raise thread.error
                    if thread.done:
                        del active[shard]
                heard = self._told(self._message(active))
                if not any(goes_on for _, goes_on, *_ in heard):
                    return
                said = self._said(heard)
                for n, thread in enumerate(active.values()):
                    thread.heard, thread.is_first = [numbers[:thread.count] for numbers in said], n == 0
        finally:
            for thread in threads.values():
                thread.end()

    def _message(self, active: Mapping[int, _Shard]) -> list[float]:
        """The first number, 0, says that nothing failed; the second one, whether a shard goes on."""
        numbers = [0.0] * self.message_size
        numbers[1] = float(bool(active))
        for shard, thread in active.items():
            begin = 2 + shard * self.room
            numbers[begin:begin + thread.count] = thread.said
        return numbers

    def _said(self, heard: Sequence[Sequence[float]]) -> list[list[float]]:
        together = [sum(column) for column in zip(*heard)]  # of each shard's numbers, one rank's are not 0
        return [together[begin:begin + self.room]
                for begin in range(2, self.message_size, self.room)]


class _Ended(BaseException):
    """Another shard has failed."""


class _Shard:
    """A shard's thread, and the meeting as it sees it."""

    def __init__(self, lockstep: Lockstep, shard: int, function: Callable[[], Any], chosen: Any):
        self._parts, self._room = lockstep.shards, lockstep.room
        self.shard, self._function, self._chosen = shard, function, chosen
        self.said: list[float] = []
        self.heard: list[list[float]] = []
        self.count, self.is_first, self.done = 0, False, False
        self.error: BaseException | None = None
        self._ended = False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name=f"cnnkit-shard-{shard}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        self._go.acquire()
        choice.thread.value = self._chosen
        local.meeting = self
        try:
            if not self._ended:
                self._function()
        except _Ended:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self._back.release()

    def go_on(self) -> None:
        """Let the thread compute until it meets the others or is done."""
        self._go.release()
        self._back.acquire()

    @property
    def parts(self) -> int:
        return self._parts

    def tell(self, numbers: Sequence[float]) -> list[list[float]]:
        if len(numbers) > self._room:
            raise ValueError(f"a shard says {len(numbers)} numbers at a meeting for {self._room}")
        self.said, self.count = list(numbers), len(numbers)
        self._back.release()
        self._go.acquire()
        if self._ended:
            raise _Ended
        return self.heard

    def first(self) -> bool:
        return self.is_first

    def end(self) -> None:
        """End the thread, wherever it is."""
        if not self.done:
            self._ended = True
            self._go.release()
        self._thread.join()
