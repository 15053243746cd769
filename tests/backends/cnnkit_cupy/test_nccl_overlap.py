"""Gradients that go from device to device while others are computed: on another stream, to the same bits."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from fake_nccl import ASIDE, SHAPES, STREAM, Emulated, World, gradients
from rank_threads import Ranks

from cnnkit import backends
from cnnkit.distributed import Linked, Overlapping, RankLost, RankTimeout
from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.tree import owned

BACKWARD = tuple(reversed(range(len(SHAPES))))  # the order in which backward makes gradients
ALL = [True] * len(SHAPES)
NO_CHANNELS = None, None  # of the host, which nothing takes here


@pytest.fixture(autouse=True)
def emulator():
    if backends.get("emulator").available() is not True:
        pytest.skip("the emulator needs a C++ compiler")


def linked(host, world, event=None):
    communicator = Emulated(host, world, event)
    communicator.link(gradients(0))
    return communicator


def differentiated(shards, communicator, bucket=28):
    """Sums whose arrays have set off as this rank's last shard has made them."""
    sums = ArraySums(shards, gradients(0))
    sums.travel(communicator, NO_CHANNELS, bucket)
    for shard in owned(shards, communicator.rank, communicator.size):
        arrays = gradients(shard)
        if shard == owned(shards, communicator.rank, communicator.size)[-1]:
            for n in BACKWARD:
                sums.put_early(shard, n, arrays[n])
        sums.put(shard, arrays)
    return sums


def on_host(totals):
    return [None if total is None else backends.get("emulator").to_numpy(total) for total in totals]


@pytest.mark.parametrize(("shards", "ranks"), [(8, 2), (8, 3), (7, 2)])
@pytest.mark.parametrize("bucket", [1, 28, 1 << 20])
def test_the_sums_are_those_of_one_process(shards, ranks, bucket):
    whole = ArraySums(shards, gradients(0))
    for shard in range(shards):
        whole.put(shard, gradients(shard))
    expected, world = on_host(whole.totals(Alone(), ALL)), World(ranks)

    def work(host):
        communicator = linked(host, world)
        return on_host(differentiated(shards, communicator, bucket).totals(communicator, ALL))
    for totals in Ranks(ranks).run(work):
        for total, value in zip(totals, expected, strict=True):
            assert total.dtype == value.dtype
            assert total.shape == value.shape
            assert total.tobytes() == value.tobytes()


def test_each_bucket_sets_off_on_another_stream_before_the_sums_are_asked_for():
    world = World(2)

    def work(host):
        communicator = linked(host, world)
        sums = differentiated(4, communicator)
        before = [*communicator.fake.exchanges]
        sums.totals(communicator, ALL)
        return before, communicator.fake.exchanges, communicator.fake.stream
    for before, after, stream in Ranks(2).run(work):
        assert before == [ASIDE] * 4  # arrays 4 and 3; 2, of another dtype; 1; 0
        assert after == before
        assert stream == STREAM


def test_a_rank_without_shards_takes_part_when_the_sums_are_asked_for():
    whole, world = ArraySums(2, gradients(0)), World(3)
    for shard in range(2):
        whole.put(shard, gradients(shard))
    expected = on_host(whole.totals(Alone(), ALL))
    assert len(owned(2, 0, 3)) == 0

    def work(host):
        communicator = linked(host, world)
        return on_host(differentiated(2, communicator).totals(communicator, ALL))
    for totals in Ranks(3).run(work):
        assert [total.tobytes() for total in totals] == [value.tobytes() for value in expected]


def test_the_first_sums_link_the_devices_and_later_ones_overlap():
    world = World(2)

    def work(host):
        communicator, streams = Emulated(host, world), []
        for _ in range(2):
            differentiated(2, communicator).totals(communicator, ALL)
            streams.append([*communicator.fake.exchanges])
            communicator.fake.exchanges.clear()
        return streams
    for first, second in Ranks(2).run(work):
        assert first == [STREAM] * 2  # one for each dtype
        assert second == [ASIDE] * 4


class Slow:
    """An event that has come after some looks."""

    def __init__(self, looks):
        self.looks, self.needed = itertools.count(1), looks

    @property
    def done(self):
        return next(self.looks) >= self.needed


def test_the_device_is_waited_for_once():
    world, events = World(2), [Slow(5), Slow(1)]

    def work(host):
        communicator = linked(host, world, events[host.rank])
        sums = differentiated(2, communicator)
        before = repr(communicator.event.looks)
        sums.totals(communicator, ALL)
        return before
    assert Ranks(2).run(work) == ["count(1)"] * 2
    assert [next(event.looks) for event in events] == [6, 2]


class Watched:
    """A host whose messages may travel, and which finds that a rank has died."""

    def __init__(self, host):
        self.host, self.abandoned, self.ends = host, 0, False

    def __getattr__(self, name):
        return getattr(self.host, name)

    def check(self):
        raise RankLost("a rank has died")

    def give_up(self):
        self.ends = True

    def channels(self):
        return NO_CHANNELS

    def abandon(self):
        self.abandoned += 1


@pytest.mark.parametrize(("check", "error"), [(None, RankLost), (lambda: None, RankTimeout)])
def test_a_wait_for_what_travels_has_an_end(check, error):
    world, made = World(2), []

    def work(host):
        watched = Watched(host)
        if check is not None:
            watched.check = check
        communicator = linked(watched, world, Slow(10 ** 9))
        made.append(communicator)
        sums = differentiated(2, communicator)
        with pytest.raises(error):
            sums.totals(communicator, ALL)
    Ranks(2).run(work)
    assert [communicator.fake.aborted for communicator in made] == [True, True]
    assert [communicator.is_linked(gradients(0)) for communicator in made] == [False, False]


def test_an_error_elsewhere_ends_what_travels_on_devices_and_host():
    world = World(2)

    def work(host):
        communicator = linked(Watched(host), world)
        assert isinstance(communicator, Overlapping)
        differentiated(2, communicator)
        communicator.abandon()
        return communicator.fake.aborted, communicator._host.abandoned, communicator._travelling
    assert Ranks(2).run(work) == [(True, 1, None)] * 2


def test_arrays_without_links_travel_by_the_host():
    sent = []

    def start_exchange(parts, sizes):
        sent.append([part.tolist() for part in parts])
        return SimpleNamespace(has_come=lambda: False)
    channel = SimpleNamespace(start_exchange=start_exchange)
    host = SimpleNamespace(rank=0, size=2, allgather=lambda values: np.array([values, values]),
                           exchange=None, gather_parts=lambda part, sizes: np.concatenate([part, part]),
                           broadcast=None, barrier=None, channels=lambda: (channel, channel),
                           abandon=lambda: None)
    communicator, like = Linked(host, 1.0), [np.ones(3, np.float32)]
    assert not communicator.link(like)
    sums = ArraySums(2, like)
    sums.travel(communicator, communicator.channels(), 1)
    sums.put_early(0, 0, like[0])
    assert sent == [[[1.0], [1.0, 1.0]]]
