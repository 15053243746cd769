"""`cupy.cuda.nccl` for ranks that are threads of one process, on emulated devices.

It holds the host's code to NCCL's rules: what is sent and received together is grouped, counts and dtypes of
both sides are equal, each memory is an array's, and all ranks gather parts of one size.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
from cnnkit_cupy.nccl import NCCLLinks
from rank_threads import Ranks

from cnnkit import backends
from cnnkit.distributed import Linked
from cnnkit.distributed.linked import _place_of

STREAM, ASIDE = 7, 8  # the addresses of two streams
SIZES = {7: 4, 8: 8}  # bytes of NCCL's float32 and float64
SHAPES = (3, 4), (7,), (2, 2, 2), (1,), (5, 1)
DTYPES = "float32", "float32", "float64", "float16", "float32"


def on_device(values, dtype):
    return backends.get("emulator").asarray(values, dtype)


def gradients(shard):
    draws = np.random.default_rng(shard)
    return [on_device(draws.normal(size=shape) * 10.0 ** (shard % 5), dtype)
            for shape, dtype in zip(SHAPES, DTYPES)]


class FakeNCCL:
    """`cupy.cuda.nccl` as one rank sees it."""

    NCCL_FLOAT32, NCCL_FLOAT64, available = 7, 8, True

    def __init__(self, ranks):
        self.all, self.group, self.stream = ranks, None, STREAM
        self.exchanges: list[int] = []  # the stream of each
        self.aborted = False

    def get_unique_id(self):
        return bytes(range(128))

    def NcclCommunicator(self, size, name, rank):
        assert name == self.get_unique_id()
        assert size == self.all.size
        self.rank = rank
        self.messages = self.all.of(rank)
        return self

    def groupStart(self):
        assert self.group is None
        self.group = []

    def groupEnd(self):
        group, self.group = self.group, None
        self.exchanges.append(self.stream)
        sent = {(peer, n): (ctypes.string_at(address, count * SIZES[kind]), kind)
                for n, (what, address, count, kind, peer) in enumerate(group) if what == "send"}
        by_all = self.messages(sent)
        for what, address, count, kind, peer in group:
            if what == "recv":
                (data, their_kind), = [data for (to, _), data in by_all[peer].items() if to == self.rank]
                assert their_kind == kind
                assert len(data) == count * SIZES[kind]
                ctypes.memmove(address, data, len(data))
        received = {(peer, self.rank) for what, *_, peer in group if what == "recv"}
        assert received == {(rank, self.rank) for rank, messages in enumerate(by_all)
                            for to, _ in messages if to == self.rank}

    def send(self, address, count, kind, peer, stream):
        self._note("send", address, count, kind, peer, stream)

    def recv(self, address, count, kind, peer, stream):
        self._note("recv", address, count, kind, peer, stream)

    def _note(self, what, address, count, kind, peer, stream):
        assert self.group is not None, f"{what} outside a group waits for its counterpart"
        assert stream == self.stream
        assert count
        assert 0 <= peer < self.all.size
        assert peer != self.rank
        self.group.append((what, address, count, kind, peer))

    def allGather(self, sent, received, count, kind, stream):
        assert self.group is None
        assert stream == self.stream
        by_all = self.messages((ctypes.string_at(sent, count * SIZES[kind]), count, kind))
        assert {(n, k) for _, n, k in by_all} == {(count, kind)}
        together = b"".join(data for data, *_ in by_all)
        ctypes.memmove(received, together, len(together))

    @contextmanager
    def aside(self):
        assert self.stream == STREAM
        self.stream = ASIDE
        try:
            yield
        finally:
            self.stream = STREAM

    def check_async_error(self):
        pass

    def abort(self):
        self.aborted = True


class World:
    """The ranks' fakes, which find each other by a communicator of threads of their own."""

    def __init__(self, size):
        self.size, self.ranks = size, Ranks(size)

    def of(self, rank):
        def messages(content):
            self.ranks.said[rank] = content
            self.ranks.barrier.wait()
            said = list(self.ranks.said)
            self.ranks.barrier.wait()
            return said
        return messages


class Memory:
    """The emulated device, and where its arrays really are."""

    def empty(self, shape, dtype, like):
        return backends.get("emulator").cuda.empty(shape, dtype, like)  # NaN, until something is received

    def address(self, array):
        assert array.host.flags.c_contiguous
        return array.host.ctypes.data


class Emulated(Linked):
    """Emulated devices with links by the fake."""

    def __init__(self, host, world, event=None):
        super().__init__(host, timeout=0.3)
        self.fake, self.event = FakeNCCL(world), event or SimpleNamespace(done=True)

    def link(self, like):
        if self._links is None:
            self._links = NCCLLinks(self.rank, self.size, self._shared, self.fake, Memory(),
                                    lambda: self.fake.stream, lambda: self.event, self.fake.aside)
            self._place = _place_of(like)
        return True
