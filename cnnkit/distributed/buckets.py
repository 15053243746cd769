"""Buckets: arrays whose sums over all shards travel together, each bucket as soon as its arrays are there.

Backward makes the gradients of the last layers first, so the buckets are filled from the last array on. They
are sent off in this order on every rank, and which array is in which bucket changes no bit: each number is
added by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.distributed.communicator import Channel
from cnnkit.distributed.reducing import TravellingSum
from cnnkit.distributed.tree import Node

__all__ = ["BUCKET", "Buckets", "bucket_size", "buckets_of"]

BUCKET = 1 << 19  # bytes after which the next bucket begins, on few ranks


def bucket_size(ranks: int) -> int:
    """More bytes on more ranks, because each rank sends a message to every other for each bucket.

    >>> [bucket_size(ranks) >> 10 for ranks in (2, 8, 64, 1024)]
    [512, 512, 4096, 65536]
    """
    return BUCKET * max(1, ranks // 8)


def buckets_of(sizes: Sequence[int], dtypes: Sequence[Any], most: int) -> list[list[int]]:
    """The places of the arrays in each bucket; from the last array to the first, one dtype a bucket.

    >>> buckets_of([400, 8, 8, 4], ["float32"] * 4, 16)
    [[3, 2, 1], [0]]
    """
    buckets: list[list[int]] = []
    full = True
    size = 0
    for place in reversed(range(len(sizes))):
        if full or dtypes[place] != dtypes[buckets[-1][0]]:
            buckets.append([])
            size = 0
        buckets[-1].append(place)
        size += sizes[place]
        full = size >= most
    return buckets


class Buckets:
    """The buckets of one update.

    Parameters
    ----------
    channels, rank, ranks, shards
        As of a `TravellingSum`.
    like : sequence of array
        1-D arrays with the sizes and dtypes of what is added.
    parts : callable
        ``parts(n)`` gives this rank's parts of array n, by node of the tree, once it is ready.
    most : int, optional
        The bytes after which the next bucket begins, if not `bucket_size`.
    """

    def __init__(self, channels: tuple[Channel, Channel], rank: int, ranks: int, shards: int,
                 like: Sequence[np.ndarray], parts: Callable[[int], Mapping[Node, np.ndarray]],
                 most: int | None = None):
        self._channels, self._rank, self._ranks, self._shards = channels, rank, ranks, shards
        self._like, self._parts = like, parts
        self._buckets = buckets_of([array.nbytes for array in like], [array.dtype for array in like],
                                   bucket_size(ranks) if most is None else most)
        self._missing = [set(bucket) for bucket in self._buckets]
        self._bucket_of = {place: n for n, bucket in enumerate(self._buckets) for place in bucket}
        self._sums: list[TravellingSum] = []  # of the buckets that are under way

    @property
    def under_way(self) -> int:
        """How many buckets were sent off."""
        return len(self._sums)

    def ready(self, place: int) -> None:
        """Array `place` is complete on this rank; send off what can be sent, and look at what travels."""
        self._missing[self._bucket_of[place]].discard(place)
        while len(self._sums) < len(self._buckets) and not self._missing[len(self._sums)]:
            self._send(self._buckets[len(self._sums)])
        for total in self._sums:  # on all ranks the sums come back in one order
            total.has_come()
            if not total.added():
                break

    def _send(self, bucket: Sequence[int]) -> None:
        parts = [self._parts(place) for place in bucket]
        flat = {node: np.concatenate([part[node] for part in parts]) for node in parts[0]}
        count = sum(self._like[place].size for place in bucket)
        self._sums.append(TravellingSum(self._channels, self._rank, self._ranks, flat, self._shards, count,
                                        self._like[bucket[0]].dtype))

    def totals(self) -> list[np.ndarray]:
        """The sums of all arrays, after those that are not sent yet were sent."""
        while len(self._sums) < len(self._buckets):
            self._send(self._buckets[len(self._sums)])
        for total in self._sums:
            total.wait_until_added()
        results: list[np.ndarray] = [np.empty(0)] * len(self._like)
        for bucket, total in zip(self._buckets, self._sums):
            values, begin = total.result(), 0
            for place in bucket:
                results[place] = values[begin:begin + self._like[place].size]
                begin += self._like[place].size
        return results
