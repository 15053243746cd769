"""Sums of many arrays over all shards: added where they are, and across ranks on the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import backend_of
from cnnkit.distributed.buckets import Buckets, BucketSums, bucket_size
from cnnkit.distributed.communicator import Channel, Communicator
from cnnkit.distributed.linked import Linked
from cnnkit.distributed.reducing import TravellingSums, sum_over_shards
from cnnkit.distributed.tree import Node, TreeSum
from cnnkit.foreign import device_of
from cnnkit.ops.dtypes import widen

__all__ = ["ArraySums"]

Array = Any


class ArraySums:
    """The sums over all shards of arrays like these; float16 and bfloat16 are added in float32.

    Parameters
    ----------
    shards : int
        How many there are on all ranks.
    like : sequence of array
        Arrays with the shapes, dtypes and places of those that are added.

    >>> from cnnkit.distributed.communicator import Alone
    >>> sums = ArraySums(2, [np.zeros(2)])
    >>> sums.put(0, [np.ones(2)])
    >>> sums.put(1, [None])
    >>> sums.totals(Alone(), [True])
    [array([1., 1.])]
    """

    like: Sequence[Array]
    shards: int

    def __init__(self, shards: int, like: Sequence[Array]):
        self.shards, self.like = shards, like
        self._trees: list[TreeSum[_Part]] = [TreeSum(shards, _add) for _ in like]
        self._told: set[tuple[int, int]] = set()  # shards and arrays that were there before the others
        self._buckets: Buckets | None = None

    def travel(self, communicator: Communicator, channels: tuple[Channel, Channel],
               bucket: int | None = None) -> None:
        """From now on arrays may travel before `totals`, in `Buckets` of so many bytes.

        From device to device they do once the ranks have linked their devices, which the first `totals` does.
        """
        start: Callable[[Sequence[int]], BucketSums]
        if isinstance(communicator, Linked) and communicator.may_link(self.like):
            if not communicator.is_linked(self.like):
                return
            start = partial(self._start_on_device, communicator)
        else:
            start = partial(self._start_on_host, communicator, channels)
        like = [self._like_on_host(n) for n in range(len(self.like))]
        self._buckets = Buckets([array.nbytes for array in like], [array.dtype for array in like],
                                bucket_size(communicator.size) if bucket is None else bucket, start)

    def _start_on_host(self, communicator: Communicator, channels: tuple[Channel, Channel],
                       places: Sequence[int]) -> BucketSums:
        like = [self._like_on_host(n) for n in places]
        return TravellingSums(channels, communicator.rank, communicator.size, self._parts_on_host(places),
                              self.shards, like)

    def _start_on_device(self, communicator: Linked, places: Sequence[int]) -> BucketSums:
        like = [self.like[n] for n in places]
        return communicator.start_sums(self._parts(places), self.shards, like, _dtype(like[0]))

    def put(self, shard: int, arrays: Sequence[Array | None]) -> None:
        """Add what the next shard gives, but for what `put_early` was given; ``None`` stands for zeros."""
        for n, (array, like) in enumerate(zip(arrays, self.like)):
            if (shard, n) not in self._told:
                self._trees[n].put(shard, _Part(_flat(array, like)))

    def put_early(self, shard: int, n: int, array: Array, last: bool = True) -> None:
        """Add array `n` of the next shard. If that is this rank's last, send it off if its bucket is full.

        A second array `n` of a shard is the same once more, and left out.
        """
        if (shard, n) in self._told:
            return
        self._trees[n].put(shard, _Part(_flat(array, self.like[n])))
        self._told.add((shard, n))
        if last and self._buckets is not None:
            self._buckets.ready(n)

    def totals(self, communicator: Communicator, wanted: Sequence[bool]) -> list[Array | None]:
        """The sums of all ranks' shards, the same bits on each; ``None`` for those that are not wanted."""
        totals: list[Array | None] = [None] * len(self.like)
        places = [n for n, wants in enumerate(wanted) if wants]
        for n, array in zip(places, self._sums(communicator, places)):
            xp = backends.namespace_of(array)
            with backends.on(array):
                totals[n] = xp.reshape(array, tuple(self.like[n].shape))
        return totals

    def _sums(self, communicator: Communicator, places: Sequence[int]) -> list[Array]:
        if communicator.size == 1:
            return [next(iter(self._trees[n].parts.values())).array for n in places]
        if self._buckets is not None:
            together = self._buckets.totals()
            added = [together[n] for n in places]
        elif not places:
            return []
        elif isinstance(communicator, Linked) and communicator.link(self.like):
            like = [self.like[n] for n in places]
            return communicator.sum_arrays(self._parts(places), self.shards, like, [*map(_dtype, like)])
        else:
            added = sum_over_shards(communicator, self._parts_on_host(places), self.shards,
                                    [self._like_on_host(n) for n in places])
        return [backend_of(self.like[n]).asarray(array, array.dtype, device_of(self.like[n]))
                if isinstance(array, np.ndarray) else array for n, array in zip(places, added)]

    def _parts(self, places: Sequence[int]) -> dict[Node, list[Array]]:
        """What this rank's shards give: for each node, these arrays."""
        return {node: [self._trees[n].parts[node].array for n in places]
                for node in self._trees[places[0]].parts}

    def _parts_on_host(self, places: Sequence[int]) -> dict[Node, list[np.ndarray]]:
        return {node: [backend_of(array).to_numpy(array) for array in arrays]
                for node, arrays in self._parts(places).items()}

    def _like_on_host(self, n: int) -> np.ndarray:
        return np.empty(math.prod(self.like[n].shape), _dtype(self.like[n]))


class _Part:
    """An array, and whether it belongs to nobody else, so that a sum may be written there."""

    __slots__ = ("array", "is_new")

    def __init__(self, array: Array, is_new: bool = False):
        self.array, self.is_new = array, is_new


def _add(left: _Part, right: _Part) -> _Part:
    a, b = left.array, right.array
    if type(a) is np.ndarray:
        return _Part(np.add(a, b, out=a if left.is_new else None), is_new=True)
    with backends.on(a):
        return _Part(a + b, is_new=True)


def _flat(array: Array | None, like: Array) -> Array:
    if type(array) is np.ndarray and array.dtype.char in "fd":
        return array.reshape(-1)
    xp = backends.namespace_of(like)
    with backends.on(like):
        return xp.reshape(widen(xp.zeros_like(like) if array is None else array), (-1,))


def _dtype(array: Array) -> str:
    return "float64" if backends.dtype_name(array.dtype) == "float64" else "float32"
