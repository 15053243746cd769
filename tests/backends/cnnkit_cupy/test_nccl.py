"""The host code of NCCL, by a fake of `cupy.cuda.nccl` for ranks that are threads, on emulated devices."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from fake_nccl import Emulated, World, gradients
from rank_threads import Ranks

from cnnkit import backends
from cnnkit.distributed import Linked, RankLost, RankTimeout
from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.tree import owned


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
    found = Linked(Named(others), 1.0)
    assert found.link(gradients(0)) == linked
    assert found.is_linked(gradients(0)) == linked


def test_a_backend_without_links_says_so():
    with pytest.raises(NotImplementedError, match=re.escape("backend 'numpy' has no links between devices")):
        backends.get("numpy").links(0, 1, lambda data: data, np.ones(1))
    assert not Linked(Named("same"), 1.0).link([np.ones(1)])
