"""The example of an engine in one file: by threads, and as its text says how it is run."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cnnkit.distributed import RankLost, RankTimeout
from cnnkit.distributed.reducing import sum_over_shards
from cnnkit.distributed.tree import TreeSum, owned

PATH = Path(__file__).parents[3] / "examples" / "cluster" / "socket_strategy.py"
SHARDS = 5


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("socket_strategy", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def addresses(count):
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [server.getsockname() for server in servers]
    for server in servers:
        server.close()
    return found


def on_ranks(example, count, work, timeout=10.0):
    places = addresses(count)

    def on_rank(rank):
        communicator = example.SocketCommunicator(rank, places, timeout)
        try:
            return work(communicator)
        finally:
            communicator.leave()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(on_rank, range(count)))


@pytest.mark.parametrize("ranks", [2, 3])
def test_its_operations_are_those_of_a_communicator(example, ranks):
    def work(communicator):
        rank = communicator.rank
        communicator.barrier()
        parts = [np.full(other + 1, 10.0 * rank + other) for other in range(ranks)]
        return (communicator.allgather(np.array([rank, 7.0])).tolist(),
                [part.tolist() for part in communicator.exchange(parts, [rank + 1] * ranks)],
                communicator.gather_parts(np.full(rank, rank), range(ranks)).tolist(),
                communicator.broadcast(b"x" * 100_000 if rank == 1 else None, 1) == b"x" * 100_000)
    for rank, (gathered, exchanged, joined, heard) in enumerate(on_ranks(example, ranks, work)):
        assert gathered == [[other, 7.0] for other in range(ranks)]
        assert exchanged == [[10.0 * other + rank] * (rank + 1) for other in range(ranks)]
        assert joined == [other for other in range(ranks) for _ in range(other)]
        assert heard


def test_large_sums_pass_without_a_circle_of_waiting_ranks(example):
    def work(communicator):
        adding = TreeSum(SHARDS, lambda left, right: [left[0] + right[0]])
        for shard in owned(SHARDS, communicator.rank, communicator.size):
            adding.put(shard, [np.full(1 << 18, shard + 0.5, np.float32)])
        total, = sum_over_shards(communicator, adding.parts, SHARDS, [np.empty(1 << 18, np.float32)])
        return set(total.tolist())
    assert on_ranks(example, 3, work) == [{12.5}] * 3


def test_a_rank_that_leaves_is_lost_and_one_that_does_not_come_ends_the_wait(example):
    late = threading.Event()

    def leaves(communicator):
        if communicator.rank == 0:
            communicator.leave()
            return
        with pytest.raises(RankLost, match="rank 1 of 2 has lost another rank"):
            communicator.barrier()
        with pytest.raises(RankLost, match="start all again with resume=True"):
            communicator.recover()
    on_ranks(example, 2, leaves)

    def hangs(communicator):
        if communicator.rank == 0:
            late.wait(10)
            return
        with pytest.raises(RankTimeout, match="rank 1 of 2 has waited 0 s for the others"):
            communicator.barrier()
        late.set()
    on_ranks(example, 2, hangs, timeout=0.2)


@pytest.mark.heavy
def test_two_and_three_processes_end_with_the_bits_of_one():
    printed = {}
    for ranks in (1, 2, 3):
        done = subprocess.run([sys.executable, PATH, str(ranks)], capture_output=True, text=True, timeout=120,
                              check=True)
        lines = sorted(done.stdout.splitlines())
        assert [line.partition(":")[0] for line in lines] == [f"rank {rank}" for rank in range(ranks)]
        printed[ranks] = {re.sub(r"rank \d+", "", line) for line in lines}
    assert printed[1] == printed[2] == printed[3]
    assert len(printed[1]) == 1
