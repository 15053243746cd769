"""Sums of many arrays over all shards, in the tree's order, by as few bytes as a ring moves.

Each rank adds the sums of one part of all numbers (reduce-scatter: every rank sends its nodes' part to the
rank that adds them), then all ranks get all parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from cnnkit.distributed.communicator import Channel, Communicator, Travelling
from cnnkit.distributed.tree import Node, combine, nodes_of, owned

__all__ = ["TravellingSums", "sum_over_shards"]


def sum_over_shards(communicator: Communicator, parts: Mapping[Node, Sequence[np.ndarray]], shards: int,
                    like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The sums over all shards of several arrays, the same bits on every rank.

    Parameters
    ----------
    communicator : Communicator
    parts : mapping of node to sequence of array
        What this rank's shards give, as `TreeSum` has added them: for each node one 1-D array for each sum.
    shards : int
        How many there are on all ranks, which own them as `tree.owned` says.
    like : sequence of array
        The sums' sizes and dtypes, also for a rank without shards.

    >>> from cnnkit.distributed.communicator import Alone
    >>> sum_over_shards(Alone(), {(0, 0): [np.ones(2)]}, 1, [np.ones(2)])
    [array([1., 1.])]
    """
    results: list[np.ndarray] = [np.empty(0)] * len(like)
    for dtype in sorted({array.dtype for array in like}, key=str):
        places = [n for n, array in enumerate(like) if array.dtype == dtype]
        sizes = [like[n].size for n in places]
        flat = {node: _joined([arrays[n] for n in places]) for node, arrays in parts.items()}
        for n, array in zip(places, _split(_sum(communicator, flat, shards, sum(sizes), dtype), sizes)):
            results[n] = array
    return results


class TravellingSums:
    """The sums over all shards of some arrays of one dtype, on their way while the process computes.

    All ranks make the same ones in the same order, and go on with them in that order.

    Parameters
    ----------
    channels : two channels
        For what goes to the ranks that add, and for the sums that come back.
    rank, ranks : int
        Who this is, of how many.
    parts, shards, like
        As of `sum_over_shards`.
    """

    def __init__(self, channels: tuple[Channel, Channel], rank: int, ranks: int,
                 parts: Mapping[Node, Sequence[np.ndarray]], shards: int, like: Sequence[np.ndarray]):
        self._sizes = [array.size for array in like]
        self._parting = _Parting(rank, ranks, shards, sum(self._sizes), like[0].dtype)
        flat = {node: _joined(arrays) for node, arrays in parts.items()}
        exchanging, self._gathering = channels
        self._sent: Travelling = exchanging.start_exchange(*self._parting.outgoing(flat))
        self._back: Travelling | None = None

    def has_come(self) -> bool:
        """Go on as far as that needs no waiting; whether the sums are there."""
        if self._back is None and self._sent.has_come():
            self._send_back()
        return self._back is not None and self._back.has_come()

    def added(self) -> bool:
        """Whether this rank has added its part, and sent it off."""
        return self._back is not None

    def result(self) -> list[np.ndarray]:
        """The sums, the same bits on every rank."""
        self.wait_until_added()
        assert self._back is not None
        return _split(self._back.result(), self._sizes)

    def wait_until_added(self) -> None:
        """Wait for what this rank adds, and send the sums off."""
        if self._back is None:
            self._send_back()

    def _send_back(self) -> None:
        parting = self._parting
        part = parting.added(parting.split(self._sent.result()))
        self._back = self._gathering.start_gather_parts(part, parting.widths)


class _Parting:
    """Which part of an array is added where."""

    def __init__(self, rank: int, ranks: int, shards: int, count: int, dtype: np.dtype):
        self.shards, self.dtype = shards, dtype
        self.nodes = [nodes_of(owned(shards, other, ranks), shards) for other in range(ranks)]
        self.mine = self.nodes[rank]
        self.ends = [count * other // ranks for other in range(ranks + 1)]
        self.widths = np.diff(self.ends).tolist()
        self.width = self.widths[rank]

    def outgoing(self, flat: Mapping[Node, np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
        """What goes to each rank, and how much comes from each."""
        return ([_joined([flat[node][begin:end] for node in self.mine]) if self.mine
                 else np.empty(0, self.dtype) for begin, end in pairwise(self.ends)],
                [self.width * len(of_rank) for of_rank in self.nodes])

    def split(self, received: np.ndarray) -> list[np.ndarray]:
        """What each rank has sent."""
        ends = np.cumsum([0, *(self.width * len(of_rank) for of_rank in self.nodes)])
        return [received[begin:end] for begin, end in pairwise(ends)]

    def added(self, received: Sequence[np.ndarray]) -> np.ndarray:
        """The sum of what all ranks have sent, in the tree's order."""
        parts = {node: values[n * self.width:(n + 1) * self.width]
                 for of_rank, values in zip(self.nodes, received) for n, node in enumerate(of_rank)}
        # what was received belongs to nobody else, so sums go there
        return combine(parts, self.shards, lambda left, right: np.add(left, right, out=left))


def _split(total: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    return [total[begin:begin + size] for begin, size in zip(np.cumsum([0, *sizes]).tolist(), sizes)]


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _sum(communicator: Communicator, flat: Mapping[Node, np.ndarray], shards: int, count: int,
         dtype: np.dtype) -> np.ndarray:
    if communicator.size == 1:
        return combine(flat, shards, np.add)
    parting = _Parting(communicator.rank, communicator.size, shards, count, dtype)
    received = communicator.exchange(*parting.outgoing(flat))
    return communicator.gather_parts(parting.added(received), parting.widths)
