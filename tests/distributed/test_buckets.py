"""Gradients that travel while others are computed: in one order on all ranks, to the same bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mpi_runs import alone, run

from cnnkit.distributed.array_sums import ArraySums
from cnnkit.distributed.buckets import buckets_of
from cnnkit.distributed.communicator import Alone


class Board:
    """What two ranks in one process have sent."""

    def __init__(self, ranks):
        self.ranks, self.sent = ranks, {}


class Channel:
    def __init__(self, board, name, rank):
        self.board, self.name, self.rank, self.numbers = board, name, rank, itertools.count()

    def start_exchange(self, parts, sizes):
        number = self._post(parts)
        return Message(self, number, lambda sent: np.concatenate([parts[self.rank] for parts in sent]))

    def start_gather_parts(self, part, sizes):
        return Message(self, self._post(part), np.concatenate)

    def _post(self, content):
        number = next(self.numbers)
        self.board.sent[self.name, number, self.rank] = content
        return number


class Message:
    def __init__(self, channel, number, take):
        self.channel, self.number, self.take = channel, number, take

    def _sent(self):
        board = self.channel.board
        keys = [(self.channel.name, self.number, rank) for rank in range(board.ranks)]
        return [board.sent[key] for key in keys if key in board.sent]

    def has_come(self):
        return len(self._sent()) == self.channel.board.ranks

    def result(self):
        assert self.has_come(), "the test would wait for ever"
        return self.take(self._sent())


class Rank:
    def __init__(self, board, rank):
        self.rank, self.size = rank, board.ranks
        self.channels = Channel(board, "there", rank), Channel(board, "back", rank)


def sums_of_ranks(ranks, shapes, bucket):
    board = Board(ranks)
    communicators = [Rank(board, rank) for rank in range(ranks)]
    like = [np.zeros(shape, np.float32) for shape in shapes]
    sums = [ArraySums(ranks, like) for _ in range(ranks)]
    for communicator, own in zip(communicators, sums):
        own.travel(communicator, communicator.channels, bucket)
    return board, communicators, sums


def gradients(rank, shapes):
    rng = np.random.default_rng(rank)
    return [rng.normal(size=shape).astype(np.float32) * 10 ** rank for shape in shapes]


SHAPES = (3, 4), (7,), (2, 2, 2), (1,)


def test_a_bucket_sets_off_when_its_arrays_are_there():
    board, _, (sums, _) = sums_of_ranks(2, SHAPES, 28)
    values = gradients(0, SHAPES)
    sums.put_early(0, 2, values[2])  # the bucket of arrays 3 and 2
    assert not board.sent
    sums.put_early(0, 3, values[3])
    assert sorted(board.sent) == [("there", 0, 0)]
    sums.put_early(0, 0, values[0])  # the bucket of array 1 comes before its own
    assert sorted(board.sent) == [("there", 0, 0)]
    sums.put_early(0, 1, values[1])
    assert sorted(board.sent) == [("there", 0, 0), ("there", 1, 0), ("there", 2, 0)]


@pytest.mark.parametrize("bucket", [1, 28, 1 << 20])
def test_the_sums_are_those_of_one_process(bucket):
    whole = ArraySums(2, [np.zeros(shape, np.float32) for shape in SHAPES])
    for rank in range(2):
        whole.put(rank, gradients(rank, SHAPES))
    expected = whole.totals(Alone(), [True] * 4)
    _, communicators, sums = sums_of_ranks(2, SHAPES, bucket)
    orders = [[3, 0, 2, 1], [0, 1, 2, 3]]  # ranks may make them in different orders
    for rank, order in enumerate(orders):
        for n in order:
            sums[rank].put_early(rank, n, gradients(rank, SHAPES)[n])
    sums[0]._buckets.ready(0)  # looks at what has come meanwhile
    for rank in (0, 1):
        for total, value in zip(sums[rank].totals(communicators[rank], [True] * 4), expected):
            assert total.tobytes() == value.tobytes()
            assert total.shape == value.shape


def test_buckets_hold_one_dtype_and_begin_with_the_last_array():
    assert buckets_of([4, 4, 8, 4], ["float32", "float32", "float64", "float32"], 100) == [[3], [2], [1, 0]]


@pytest.mark.heavy
@pytest.mark.parametrize("recipe", ["adam", "norm", "few", "sync"])
@pytest.mark.parametrize("bucket", [1, 4000])
def test_buckets_change_no_bit(recipe, bucket):
    expected = alone({"recipe": recipe})
    printed, _ = run(3, {"recipe": recipe, "bucket": bucket})
    assert [result["state"] for result in printed] == [expected["state"]] * 3


@pytest.mark.heavy
@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_while_buckets_travel_is_told_by_name(rank):
    printed, errors = run(2, {"recipe": "adam", "die": ["raise", rank, 4, "backward"], "bucket": 1}, status=1)
    assert not printed
    assert f"another rank has ended the run: rank {rank} (" in errors


@pytest.mark.heavy
@pytest.mark.parametrize("rank", [0, 2])
def test_a_death_while_buckets_travel_costs_no_bit(rank):
    expected = alone({"recipe": "adam"})
    printed, _ = run(3, {"recipe": "adam", "die": ["kill", rank, 4, "backward"], "bucket": 1}, status=None)
    assert [result["state"] for result in printed] == [expected["state"]] * 2
