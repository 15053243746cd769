"""Communicator: what a run needs of whatever connects its processes; and `Alone`, a single process.

`Overlapping` is what a communicator may have besides: messages that travel while the process computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

__all__ = ["Alone", "Channel", "Communicator", "Growing", "Overlapping", "Travelling"]


class Communicator(Protocol):
    """Processes that do the same, numbered from 0. Another engine is another class with these methods.

    All ranks call the same methods in the same order. Arrays are NumPy's: those of a device are copied to the
    host before.

    Attributes
    ----------
    rank, size : int
        The number of this process, and how many there are.

    Raises
    ------
    RankLost
        If a rank has died.
    RankTimeout
        If the others do not come within the communicator's time.
    """

    rank: int
    size: int

    def allgather(self, values: np.ndarray) -> np.ndarray:
        """The values (n,) of each rank, as (size, n)."""

    def exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        """Send part i (1-D) to rank i; returns what each rank has sent, of these sizes."""

    def gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """The parts of all ranks, of these sizes, one after the other."""

    def broadcast(self, data: bytes | None, source: int = 0) -> bytes:
        """The bytes that rank `source` gives; the others give ``None``."""

    def barrier(self) -> None:
        """Wait until all ranks are here."""

    def leave(self) -> None:
        """End the others' waiting for this rank, which goes with an error: they get RankLost."""

    def recover(self) -> Communicator:
        """The communicator of the ranks that are left, after RankLost; they all call it.

        Raises
        ------
        RankLost
            If the engine cannot go on after a loss.
        """


class Travelling(Protocol):
    """What was sent off, and is not there yet."""

    def has_come(self) -> bool:
        """Whether it is; looks, and does not wait. To look moves the messages of some engines."""

    def result(self) -> np.ndarray:
        """What has come, after a wait that ends as any call of the communicator does."""


class Channel(Protocol):
    """The same ranks once more: they may begin an operation here while others go on elsewhere.

    What goes wrong is raised where a result is asked for, not before.
    """

    def start_exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> Travelling:
        """`Communicator.exchange`, begun; the result is what the ranks have sent, one after the other."""

    def start_gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> Travelling:
        """`Communicator.gather_parts`, begun."""


@runtime_checkable
class Overlapping(Protocol):
    """A communicator whose messages may travel while the process computes."""

    def channels(self) -> tuple[Channel, Channel]:
        """Two channels, the same ones each time until they are abandoned; all ranks call it together."""

    def abandon(self) -> None:
        """Nobody waits any more for what travels in the channels: an error has come between."""


@runtime_checkable
class Growing(Protocol):
    """A communicator that others can join."""

    def grow(self, size: int) -> Communicator:
        """The communicator of `size` ranks: these, and new processes that run the same command.

        Raises
        ------
        GrowthError
            On all ranks, if there is no room.
        """


class Alone:
    """One process.

    >>> Alone().allgather(np.ones(2)).shape
    (1, 2)
    """

    rank: int = 0
    size: int = 1

    def allgather(self, values: np.ndarray) -> np.ndarray:
        return values[None].copy()

    def exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        return list(parts)

    def gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        return part

    def broadcast(self, data: bytes | None, source: int = 0) -> bytes:
        assert data is not None
        return data

    def barrier(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def recover(self) -> Alone:
        return self
