"""Buckets: arrays whose sums over all shards travel together, each bucket as soon as its arrays are there.

Backward makes the gradients of the last layers first, so the buckets are filled from the last array on. They
are sent off in this order on every rank, and which array is in which bucket changes no bit: each number is
added by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["BUCKET", "BucketSums", "Buckets", "bucket_size", "buckets_of"]

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


class BucketSums(Protocol):
    """The sums of one bucket's arrays, on their way."""

    def has_come(self) -> bool:
        """Go on as far as that needs no waiting; whether the sums are there."""

    def added(self) -> bool:
        """Whether this rank has added its part, and sent it off."""

    def wait_until_added(self) -> None:
        """Wait for what this rank adds, and send the sums off."""

    def result(self) -> Sequence[Any]:
        """The sums, one for each array of the bucket, the same bits on every rank."""


class Buckets:
    """The buckets of one update.

    Parameters
    ----------
    sizes, dtypes, most
        As of `buckets_of`.
    start : callable
        ``start(places)`` sends off the sums of the arrays at these places, all of which are ready.
    """

    def __init__(self, sizes: Sequence[int], dtypes: Sequence[Any], most: int,
                 start: Callable[[Sequence[int]], BucketSums]):
        self._count, self._start = len(sizes), start
        self._buckets = buckets_of(sizes, dtypes, most)
        self._missing = [set(bucket) for bucket in self._buckets]
        self._bucket_of = {place: n for n, bucket in enumerate(self._buckets) for place in bucket}
        self._sums: list[BucketSums] = []  # of the buckets that are under way

    def ready(self, place: int) -> None:
        """Array `place` is complete on this rank; send off what can be sent, and look at what travels."""
        self._missing[self._bucket_of[place]].discard(place)
        while len(self._sums) < len(self._buckets) and not self._missing[len(self._sums)]:
            self._send_next()
        for sums in self._sums:  # on all ranks the sums come back in one order
            sums.has_come()
            if not sums.added():
                break

    def _send_next(self) -> None:
        self._sums.append(self._start(self._buckets[len(self._sums)]))

    def totals(self) -> list[Any]:
        """The sums of all arrays, after those that are not sent yet were sent."""
        while len(self._sums) < len(self._buckets):
            self._send_next()
        for sums in self._sums:
            sums.wait_until_added()
        results: list[Any] = [None] * self._count
        for bucket, sums in zip(self._buckets, self._sums):
            for place, array in zip(bucket, sums.result(), strict=True):
                results[place] = array
        return results
