"""Meetings: places in a forward or backward pass where all parts of a batch must know each other's numbers.

Layers such as `nn.SyncBatchNorm` come here. The parts are the ranks, or, in `train.fit`, the shards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from cnnkit.distributed.group import communicator
from cnnkit.distributed.messages import tell

__all__ = ["Meeting", "Nobody", "Ranks", "current", "local", "meeting_nobody"]


class Meeting(Protocol):
    """Who meets."""

    @property
    def parts(self) -> int:
        """How many parts the batch has."""

    def tell(self, numbers: Sequence[float]) -> list[list[float]]:
        """What each part says, as many numbers as this one; only zeros of a part without samples."""

    def first(self) -> bool:
        """Whether this part is to change what all parts of this process share, such as buffers."""


class Ranks:
    """Every rank is a part.

    >>> Ranks().tell([1.5])
    [[1.5]]
    """

    @property
    def parts(self) -> int:
        return communicator().size

    def tell(self, numbers: Sequence[float]) -> list[list[float]]:
        return tell(communicator(), numbers)

    def first(self) -> bool:
        return True


class Nobody:
    """A part that meets no other one: each batch is looked at by itself.

    >>> Nobody().tell([1.5])
    [[1.5]]
    """

    parts = 1

    def tell(self, numbers: Sequence[float]) -> list[list[float]]:
        return [list(numbers)]

    def first(self) -> bool:
        return True


@contextmanager
def meeting_nobody() -> Iterator[None]:
    """In the block, this thread's part meets no other one.

    >>> with meeting_nobody():
    ...     current().parts
    1
    """
    before, local.meeting = local.meeting, Nobody()
    try:
        yield
    finally:
        local.meeting = before


class _Local(threading.local):
    meeting: Meeting = Ranks()


local: _Local = _Local()


def current() -> Meeting:
    """The meeting that this thread takes part in."""
    return local.meeting
