"""Linked: a communicator whose sums of arrays go from device to device; messages go by the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from cnnkit import backends
from cnnkit.backends import backend_of
from cnnkit.distributed.communicator import Channel, Communicator, Growing, Overlapping
from cnnkit.distributed.errors import GrowthError
from cnnkit.distributed.messages import tell_text
from cnnkit.distributed.tree import Node, combine, nodes_of, owned
from cnnkit.foreign import device_of

__all__ = ["Linked", "LinkedSums", "Links", "Watching"]

Array = Any
NO_LINKS = ""


class Links(Protocol):
    """The devices of all ranks: what `Backend.links` gives.

    Operations are put on the device's current stream, in the same order on all ranks.
    """

    def aside(self) -> AbstractContextManager[None]:
        """In the block the current stream is another one, always the same.

        What is put there begins when all is done that is on the current stream now.
        """

    def exchange(self, parts: Sequence[Array], sizes: Sequence[int]) -> list[Array]:
        """Send part i (1-D, may be empty) to rank i; what each rank has sent, of these sizes."""

    def gather(self, part: Array) -> Array:
        """The parts of all ranks, all of one size, one after the other."""

    def wait(self, check: Callable[[], None], timeout: float) -> None:
        """Return when all is done that is on the current stream; call `check`, which may raise, now and then.

        Raises
        ------
        RankTimeout
            If it is not done within so many seconds.
        """

    def abort(self) -> None:
        """End all of that; nothing can be sent any more."""


@runtime_checkable
class Watching(Protocol):
    """A communicator that can look whether all ranks are there, without waiting for them."""

    def check(self) -> None:
        """Raise RankLost if a rank has died, or has left."""

    def give_up(self) -> None:
        """Let the other ranks end with this process: nobody knows where one of them is."""


class Linked:
    """The ranks of a communicator, and links between their devices, if the arrays' backend has any.

    Parameters
    ----------
    host : Communicator
        Connects the processes.
    timeout : float
        Seconds that sums wait for the other ranks.

    >>> from cnnkit.distributed.communicator import Alone
    >>> Linked(Alone(), 1.0).size
    1
    """

    def __init__(self, host: Communicator, timeout: float):
        self._host, self.timeout = host, timeout
        self.rank, self.size = host.rank, host.size
        self.allgather, self.exchange, self.gather_parts = host.allgather, host.exchange, host.gather_parts
        self.broadcast, self.barrier = host.broadcast, host.barrier
        if isinstance(host, Overlapping):
            self.channels: Callable[[], tuple[Channel, Channel]] = host.channels
            self.abandon: Callable[[], None] = self._abandon
        self._links: Links | None = None
        self._place: Any = None  # the backend and the device that were asked for links
        self._travelling: list[Array] | None = None  # what sums under way read, until they are done
        self._check = host.check if isinstance(host, Watching) else _nothing

    def __repr__(self) -> str:
        return f"Linked({self._host!r})"

    def leave(self) -> None:
        self._abort()
        self._host.leave()

    def recover(self) -> Linked:
        self._abort()
        return Linked(self._host.recover(), self.timeout)

    def grow(self, size: int) -> Linked:
        if not isinstance(self._host, Growing):
            raise GrowthError(f"no more processes than {self.size}: {self._host!r} starts none")
        grown = Linked(self._host.grow(size), self.timeout)
        self._abort()
        return grown

    def _abandon(self) -> None:
        self._abort()
        assert isinstance(self._host, Overlapping)
        self._host.abandon()

    def _abort(self) -> None:
        if self._links is not None:
            self._links.abort()
        self._links = self._place = self._travelling = None

    # -- links between devices -------------------------------------------------------------------------------

    def may_link(self, like: Sequence[Array]) -> bool:
        """Whether there are links between devices like those of these arrays, or nobody has asked yet."""
        return self._place != _place_of(like) or self._links is not None

    def is_linked(self, like: Sequence[Array]) -> bool:
        """Whether `link` has linked the devices of these arrays."""
        return self._place == _place_of(like) and self._links is not None

    def link(self, like: Sequence[Array]) -> bool:
        """Link the devices of these arrays, as all ranks do together; ``False`` where that cannot be."""
        place = _place_of(like)
        if self._place != place:
            self._abort()
            backend = backend_of(like[0])
            one = len({_place_of([array]) for array in like}) == 1
            names = tell_text(self, backend.name if one and backend.has_links() else NO_LINKS)
            if NO_LINKS not in names and len({*names}) == 1:
                self._links = backend.links(self.rank, self.size, self._shared, like[0])
            self._place = place
        return self._links is not None

    def _shared(self, data: bytes | None) -> bytes:
        """What rank 0 gives."""
        return self.broadcast(data if self.rank == 0 else None)

    # -- sums ------------------------------------------------------------------------------------------------

    def sum_arrays(self, parts: Mapping[Node, Sequence[Array]], shards: int, like: Sequence[Array],
                   dtypes: Sequence[str]) -> list[Array]:
        """`reducing.sum_over_shards` of arrays whose devices are linked.

        All ranks call it together.

        Parameters
        ----------
        parts : mapping of node to sequence of array
            What this rank's shards give: for each node one 1-D array for each sum.
        shards : int
            How many there are on all ranks.
        like : sequence of array
            Arrays with the sums' sizes, on their device; in any dtype.
        dtypes : sequence of str
            The sums' dtypes.
        """
        results: list[Array] = [None] * len(like)
        with self._aborting() as links:
            for dtype in sorted({*dtypes}):
                places = [n for n, name in enumerate(dtypes) if name == dtype]
                of_dtype = {node: [arrays[n] for n in places] for node, arrays in parts.items()}
                sums = self._sum(links, of_dtype, shards, [like[n] for n in places], dtype)
                for n, array in zip(places, sums):
                    results[n] = array
            links.wait(self._check, self.timeout)
        return results

    def start_sums(self, parts: Mapping[Node, Sequence[Array]], shards: int, like: Sequence[Array],
                   dtype: str) -> LinkedSums:
        """`sum_arrays` of one dtype, begun: arrays travel, and are added, beside what is computed meanwhile.

        All ranks start the same ones in the same order.
        """
        self._travelling = [*(self._travelling or []), *(array for of in parts.values() for array in of)]
        with self._aborting() as links, links.aside():
            return LinkedSums(self, self._sum(links, parts, shards, like, dtype))

    def finish_sums(self) -> None:
        """Return when the sums that were started are there."""
        if self._travelling is not None:
            with self._aborting() as links, links.aside():
                links.wait(self._check, self.timeout)
            self._travelling = None

    @contextmanager
    def _aborting(self) -> Iterator[Links]:
        """An error in the block ends all that goes from device to device."""
        links = self._links
        assert links is not None, "the devices are not linked"
        try:
            yield links
        except BaseException as error:
            self._abort()
            if isinstance(error, TimeoutError) and isinstance(self._host, Watching):
                self._host.give_up()
            raise

    def _sum(self, links: Links, parts: Mapping[Node, Sequence[Array]], shards: int,
             like: Sequence[Array], name: str) -> list[Array]:
        """Every rank adds one part of all numbers, as `reducing` does on the host; parts have one size."""
        with backends.on(like[0]):
            return self._sum_on_device(links, parts, shards, like, name)

    def _sum_on_device(self, links: Links, parts: Mapping[Node, Sequence[Array]], shards: int,
                       like: Sequence[Array], name: str) -> list[Array]:
        xp, dtype = backends.namespace_of(like[0]), backend_of(like[0]).dtype(name)
        sizes = [int(np.prod(array.shape)) for array in like]
        width = -(-sum(sizes) // self.size)
        missing = width * self.size - sum(sizes)
        padding = [xp.zeros((missing,), dtype=dtype)] if missing else []
        flat = {node: xp.concat([xp.reshape(array, (-1,)) for array in arrays] + padding)
                for node, arrays in parts.items()}
        nodes = [nodes_of(owned(shards, rank, self.size), shards) for rank in range(self.size)]
        mine = nodes[self.rank]
        empty = xp.zeros((0,), dtype=dtype)
        received = links.exchange(
            [xp.concat([flat[node][rank * width:(rank + 1) * width] for node in mine]) if mine else empty
             for rank in range(self.size)], [width * len(of_rank) for of_rank in nodes])
        leaves = {node: values[n * width:(n + 1) * width]
                  for of_rank, values in zip(nodes, received) for n, node in enumerate(of_rank)}
        total = links.gather(combine(leaves, shards, lambda left, right: left + right))
        ends = np.cumsum([0, *sizes]).tolist()
        return [total[begin:begin + size] for begin, size in zip(ends, sizes)]


class LinkedSums:
    """A `buckets.BucketSums` of arrays that go from device to device, which nobody needs to push."""

    def __init__(self, linked: Linked, sums: list[Array]):
        self._linked, self._sums = linked, sums

    def has_come(self) -> bool:
        return False

    def added(self) -> bool:
        return True

    def wait_until_added(self) -> None:
        pass

    def result(self) -> list[Array]:
        self._linked.finish_sums()
        return self._sums


def _place_of(like: Sequence[Array]) -> tuple[Any, str]:
    return backend_of(like[0]), str(device_of(like[0]))


def _nothing() -> None:
    """For a communicator that cannot look."""
