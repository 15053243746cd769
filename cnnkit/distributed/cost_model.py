"""What an update takes on many ranks, by a model: computing, latency, bandwidth, buckets.

``python -m cnnkit.distributed.cost_model --shard-seconds 0.5 --megabytes 45`` prints a table. The model
leaves out slow ranks, and networks that share their links. Under ``mpiexec -n 4`` it measures the link
between the ranks, and compares sums of gradients with the model.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from cnnkit.distributed.buckets import BUCKET, bucket_size
from cnnkit.distributed.communicator import Communicator
from cnnkit.distributed.group import communicator as current
from cnnkit.distributed.group import init
from cnnkit.distributed.messages import tell
from cnnkit.distributed.mpi import started_by_mpi
from cnnkit.distributed.reducing import sum_over_shards
from cnnkit.distributed.tree import TreeSum, nodes_of, owned

__all__ = ["Link", "Work", "compare", "efficiency", "measured_link", "update_seconds"]


class Link(NamedTuple):
    """What connects two ranks: seconds that a message takes on its way, and bytes a second each way."""

    latency: float
    bandwidth: float


class Work(NamedTuple):
    """An update: a shard's forward and backward in seconds, the part of it that is backward, the gradients'
    bytes, and the seconds of all else, such as the optimizer's step.
    """

    shard_seconds: float
    gradient_bytes: float
    backward: float = 2 / 3
    rest: float = 0.0


def update_seconds(work: Work, shards: int, ranks: int, link: Link, bucket: float | None = None) -> float:
    """Seconds from one update to the next.

    A rank computes its shards one after the other. During the last one's backward a bucket sets off whenever
    one is full, at most one travels at a time, and each travels twice: to the ranks that add (each rank sends
    one message to every other), and back. Then all ranks have told each other a short message.

    >>> work, link = Work(shard_seconds=0.1, gradient_bytes=8e6), Link(latency=5e-5, bandwidth=1e9)
    >>> update_seconds(work, 8, 1, link)
    0.8
    >>> round(update_seconds(work, 8, 8, link, bucket=1e6), 4)  # but for the last bucket it is hidden
    0.1024
    """
    computing = max(len(owned(shards, rank, ranks)) for rank in range(ranks)) * work.shard_seconds
    if ranks == 1:
        return computing + work.rest
    nodes = max(len(nodes_of(owned(shards, rank, ranks), shards)) for rank in range(ranks))
    count = max(1, math.ceil(work.gradient_bytes / (bucket_size(ranks) if bucket is None else bucket)))
    size = work.gradient_bytes / count
    others = (ranks - 1) / ranks
    travels = 2 * (ranks - 1) * link.latency + (nodes + 1) * others * size / link.bandwidth
    begin = computing - work.backward * work.shard_seconds
    end = 0.0
    for n in range(count):
        full = begin + (n + 1) / count * work.backward * work.shard_seconds
        end = max(end, full) + travels
    message = math.ceil(math.log2(ranks)) * link.latency
    return max(end, computing + message) + work.rest


def efficiency(work: Work, shards: int, ranks: int, link: Link, bucket: float | None = None) -> float:
    """The seconds of one rank, divided by those of all ranks together.

    >>> efficiency(Work(0.1, 0), 8, 8, Link(0, 1e9))
    1.0
    """
    alone = update_seconds(work, shards, 1, link)
    return alone / (ranks * update_seconds(work, shards, ranks, link, bucket))


def measured_link(communicator: Communicator) -> Link:
    """Latency and bandwidth between the ranks, as the model understands them; all ranks call it."""
    message = _median_seconds(lambda: tell(communicator, [0.0]))
    latency = message / math.ceil(math.log2(communicator.size))
    size = 1 << 23
    others = (communicator.size - 1) / communicator.size
    travelling = _median_seconds(lambda: _sum(communicator, size)) - 2 * (communicator.size - 1) * latency
    return Link(latency, 2 * others * size / max(travelling, 1e-9))


def _sum(communicator: Communicator, size: int) -> None:
    values = np.zeros(size // 4, np.float32)
    adding: TreeSum[list[np.ndarray]] = TreeSum(communicator.size, lambda a, b: [a[0] + b[0]])
    adding.put(communicator.rank, [values])
    sum_over_shards(communicator, adding.parts, communicator.size, [values])


def _median_seconds(work: Callable[[], object], times: int = 9) -> float:
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def compare(communicator: Communicator) -> None:
    """Print what sums of several sizes take on these ranks, and what the model says."""
    link, ranks = measured_link(communicator), communicator.size
    lines = [f"{ranks} ranks: {link.latency * 1e6:.0f} us, {link.bandwidth * 8e-9:.3f} Gbit/s"]
    for size in (1 << 12, 1 << 16, 1 << 20, 1 << 22, 1 << 25):
        seconds = _median_seconds(partial(_sum, communicator, size), 5)
        model = update_seconds(Work(0.0, size), ranks, ranks, link, math.inf)
        lines.append(f"{size >> 10:6} KiB: {seconds * 1e3:8.2f} ms, by the model {model * 1e3:8.2f} ms")
    if communicator.rank == 0:
        print("\n".join(lines))


def main() -> None:
    """Print a table for 1 to 1,024 ranks; on several ranks, compare the model with them."""
    if started_by_mpi() > 1:
        init()
        compare(current())
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard-seconds", type=float, default=0.5, help="forward and backward of a shard")
    parser.add_argument("--megabytes", type=float, default=45, help="of all gradients")
    parser.add_argument("--latency", type=float, default=30, help="of a message, in microseconds")
    parser.add_argument("--gigabits", type=float, default=10, help="a second, of a rank each way")
    parser.add_argument("--shards", type=int, default=1024)
    options = parser.parse_args()
    work = Work(options.shard_seconds, options.megabytes * 1e6)
    link = Link(options.latency * 1e-6, options.gigabits / 8 * 1e9)
    buckets = {"as sent": None, f"of {BUCKET / (1 << 20):g} MiB": BUCKET, "one bucket": math.inf}
    print(f"| ranks | {' | '.join(buckets)} |")
    print("|---" * (1 + len(buckets)) + "|")
    ranks = 1
    while ranks <= options.shards:
        row = [efficiency(work, options.shards, ranks, link, most) for most in buckets.values()]
        print(f"| {ranks} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
        ranks *= 2


if __name__ == "__main__":
    main()
