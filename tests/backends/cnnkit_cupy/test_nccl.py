"""The host code of NCCL, by a fake of `cupy.cuda.nccl` for ranks that are threads, on emulated devices.

The fake holds it to NCCL's rules: what is sent and received together is grouped, counts and dtypes of both
sides are equal, each memory is an array's, and all ranks gather parts of one size.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from cnnkit_cupy.nccl import NCCLLinks
from rank_threads import Ranks

from cnnkit import backends
from cnnkit.distributed import Linked, RankLost, RankTimeout
from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.tree import owned

STREAM = 7
SIZES = {7: 4, 8: 8}  # bytes of NCCL's float32 and float64
SHAPES = (3, 4), (7,), (2, 2, 2), (1,), (5, 1)
DTYPES = "float32", "float32", "float64", "float16", "float32"


class FakeNCCL:
    """`cupy.cuda.nccl` as one rank sees it."""

    NCCL_FLOAT32, NCCL_FLOAT64, available = 7, 8, True

    def __init__(self, ranks):
        self.all, self.group = ranks, None
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
        assert stream == STREAM
        assert count
        assert 0 <= peer < self.all.size
        assert peer != self.rank
        self.group.append((what, address, count, kind, peer))

    def allGather(self, sent, received, count, kind, stream):
        assert self.group is None
        assert stream == STREAM
        by_all = self.messages((ctypes.string_at(sent, count * SIZES[kind]), count, kind))
        assert {(n, k) for _, n, k in by_all} == {(count, kind)}
        together = b"".join(data for data, *_ in by_all)
        ctypes.memmove(received, together, len(together))

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

    def _links_of(self, like):
        if self._links is None:
            self._links = NCCLLinks(self.rank, self.size, self._shared, self.fake, Memory(), lambda: STREAM,
                                    lambda: self.event)
        return self._links


def on_device(values, dtype):
    return backends.get("emulator").asarray(values, dtype)


def gradients(shard):
    draws = np.random.default_rng(shard)
    return [on_device(draws.normal(size=shape) * 10.0 ** (shard % 5), dtype)
            for shape, dtype in zip(SHAPES, DTYPES)]


def sums_of(shards, communicator, wanted=(True, True, True, True, True)):
    sums = ArraySums(shards, gradients(0))
    for shard in owned(shards, communicator.rank, communicator.size):
        sums.put(shard, gradients(shard))
    return [None if total is None else backends.get("emulator").to_numpy(total)
            for total in sums.totals(communicator, wanted)]


@pytest.fixture(autouse=True)
def emulator():
    if backends.get("emulator").available() is not True:
        pytest.skip("the emulator needs a C++ compiler")


@pytest.mark.parametrize(("shards", "ranks"), [(8, 2), (8, 3), (7, 2), (2, 3)])  # the last: one has no shard
def test_sums_have_the_bits_of_one_process(shards, ranks):
    expected = sums_of(shards, Alone())
    world = World(ranks)
    for totals in Ranks(ranks).run(lambda host: sums_of(shards, Emulated(host, world))):
        for total, value in zip(totals, expected, strict=True):
            assert total.dtype == value.dtype
            assert total.shape == value.shape
            assert total.tobytes() == value.tobytes()


def test_sums_that_nobody_wants_are_left_out():
    world, wanted = World(2), (False, True, False, False, True)
    expected = sums_of(4, Alone(), wanted)
    for totals in Ranks(2).run(lambda host: sums_of(4, Emulated(host, world), wanted)):
        assert [total is None for total in totals] == [not wants for wants in wanted]
        for total, value in zip(totals, expected):
            assert total is None or total.tobytes() == value.tobytes()


class Slow:
    """An event that has come after some looks."""

    def __init__(self, looks):
        self.looks = itertools.count(1)
        self.needed = looks

    @property
    def done(self):
        return next(self.looks) >= self.needed


def test_the_device_is_waited_for():
    world, events = World(2), [Slow(5), Slow(1)]
    Ranks(2).run(lambda host: sums_of(2, Emulated(host, world, events[host.rank])))
    assert [next(event.looks) for event in events] == [6, 2]


class Watched:
    """A communicator that finds that a rank has died, after some looks."""

    def __init__(self, host, looks):
        self.host, self.looks, self.left, self.ends = host, looks, False, False

    def __getattr__(self, name):
        return getattr(self.host, name)

    def check(self):
        self.looks -= 1
        if not self.looks:
            raise RankLost("a rank has died")

    def give_up(self):
        self.ends = True


@pytest.mark.parametrize(("looks", "error"), [(2, RankLost), (1000, RankTimeout)])
def test_a_wait_for_a_device_has_an_end(looks, error):
    world, made = World(2), []

    def work(host):
        made.append(Emulated(Watched(host, looks), world, Slow(10 ** 9)))
        with pytest.raises(error):
            sums_of(2, made[-1])
    Ranks(2).run(work)
    assert [linked.fake.aborted for linked in made] == [True, True]
    assert [linked._host.ends for linked in made] == [error is RankTimeout] * 2
    assert [linked._links for linked in made] == [None, None]


class Named(Alone):
    """The host of one of two ranks whose arrays may belong to other backends."""

    size = 2

    def __init__(self, others):
        self.others = others

    def allgather(self, values):
        return np.array([values, values if self.others == "same" else [len(self.others)]])

    def gather_parts(self, part, sizes):
        other = part if self.others == "same" else np.frombuffer(self.others.encode(), np.uint8)
        return np.concatenate([part, other])


@pytest.mark.parametrize(("others", "linked"), [("same", True), ("", False), ("numpy", False)])
def test_links_are_made_where_all_ranks_have_them(monkeypatch, others, linked):
    backend = backends.get("emulator")
    monkeypatch.setattr(type(backend), "has_links", lambda self: True)
    monkeypatch.setattr(type(backend), "links", lambda self, *settings: "links")
    found = Linked(Named(others), 1.0)._links_of(gradients(0))
    assert found == ("links" if linked else None)


def test_a_backend_without_links_says_so():
    with pytest.raises(NotImplementedError, match=re.escape("backend 'numpy' has no links between devices")):
        backends.get("numpy").links(0, 1, lambda data: data, np.ones(1))
    assert Linked(Named("same"), 1.0)._links_of([np.ones(1)]) is None
