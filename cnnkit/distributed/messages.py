"""Short messages: numbers, texts and bytes that every rank tells all others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cnnkit.distributed.communicator import Communicator

__all__ = ["tell", "tell_bytes", "tell_text"]


def tell(communicator: Communicator, numbers: Sequence[float]) -> list[list[float]]:
    """What each rank says, as many numbers as this one.

    >>> from cnnkit.distributed.communicator import Alone
    >>> tell(Alone(), [1, 2.5])
    [[1.0, 2.5]]
    """
    return communicator.allgather(np.array(numbers, np.float64)).tolist()


def tell_text(communicator: Communicator, text: str) -> list[str]:
    """What each rank says, a text of any length.

    >>> from cnnkit.distributed.communicator import Alone
    >>> tell_text(Alone(), "ready")
    ['ready']
    """
    return [data.decode() for data in tell_bytes(communicator, text.encode())]


def tell_bytes(communicator: Communicator, data: bytes) -> list[bytes]:
    """What each rank says, as many bytes as it likes.

    >>> from cnnkit.distributed.communicator import Alone
    >>> tell_bytes(Alone(), b"12")
    [b'12']
    """
    sizes = [int(size) for size, in tell(communicator, [len(data)])]
    together = communicator.gather_parts(np.frombuffer(data, np.uint8), sizes).tobytes()
    ends = np.cumsum([0, *sizes]).tolist()
    return [together[begin:end] for begin, end in pairwise(ends)]
