"""What several processes give, and what shards cost one: seconds of an update, each process on one thread.

``python -m benchmarks.scaling``, in asv_benchmarks, prints for W2 and ResNet-18: one process without shards,
one with eight, two processes by MPI; and PyTorch's DistributedDataParallel with Gloo on one and two, where
torch is installed. The contenders take turns; figures are medians over the rounds. Efficiency is the time of
one process divided by twice that of two. It needs ``pip install 'cnnkit[mpi]'``, and two cores that nobody
else uses: it also prints which part of its core a single process got, and says where figures mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .networks import network

NETS = (("W2", 1024), ("resnet18", 64))
WARM_UP = 3
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
QUIET = 0.97  # of a core, that a single process gets at least where nothing disturbs it
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Timed(NamedTuple):
    """The median of an update's seconds, and which part of them a process computed."""

    seconds: float
    share: float

    @classmethod
    def of(cls, moments: Sequence[tuple[float, float]]) -> Timed:
        """Of the times on both clocks, the wall's and the processor's, after each update."""
        wall, processor = np.diff(np.array(moments), axis=0)[WARM_UP - 1:].T
        return cls(float(np.median(wall)), float(processor.sum() / wall.sum()))


def now() -> tuple[float, float]:
    """The wall's clock, and this process's."""
    return time.perf_counter(), time.process_time()


def cnnkit_seconds(name: str, batch: int, steps: int, shards: int | None) -> Timed:
    """An update in `train.fit`."""
    import cnnkit
    from cnnkit import nn, optim, train

    cnnkit.set_num_threads(1)
    net, shape = network(name, nn)
    rng = np.random.default_rng(0)
    count = batch * (steps + WARM_UP)
    images = rng.normal(size=(batch, *shape)).astype(np.float32)
    data = (np.concatenate([images] * (steps + WARM_UP)), rng.integers(0, 10, count))

    class Clock(train.callbacks.Callback):
        moments: list[tuple[float, float]] = []

        def on_train_batch_end(self, run: train.Run) -> None:
            self.moments.append(now())
    clock = Clock()
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    train.fit(net, data, batch_size=batch, optimizer=optimizer, callbacks=[clock], shards=shards,
              progress=False, seed=0)
    return Timed.of(clock.moments)


def torch_seconds(name: str, batch: int, steps: int) -> Timed:
    """The same of a loop in PyTorch, with DistributedDataParallel where there are several processes."""
    import torch
    from torch import distributed, nn

    torch.set_num_threads(1)
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    net, shape = network(name, nn)
    net = net.to(memory_format=torch.channels_last)
    if ranks > 1:
        distributed.init_process_group("gloo")
        net = nn.parallel.DistributedDataParallel(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    rng = np.random.default_rng(rank)
    x = torch.from_numpy(rng.normal(size=(batch // ranks, *shape)).astype(np.float32))
    x = x.to(memory_format=torch.channels_last)
    y = torch.from_numpy(rng.integers(0, 10, batch // ranks))
    moments = []
    for _ in range(steps + WARM_UP):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        moments.append(now())
    if ranks > 1:
        distributed.destroy_process_group()
    return Timed.of(moments)


def alone(*arguments: object) -> Timed:
    """A worker's figure."""
    return _figure([[sys.executable, "-m", "benchmarks.scaling", "--worker", *map(str, arguments)]], [{}])


def by_mpi(ranks: int, *arguments: object) -> Timed:
    """The figure of a worker on several ranks."""
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else "mpiexec"
    return _figure([[launcher, "-n", str(ranks), sys.executable, "-m", "benchmarks.scaling", "--worker",
                     *map(str, arguments)]], [ROOT])


def by_gloo(ranks: int, *arguments: object) -> Timed:
    """The figure of PyTorch's worker on several ranks."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--worker", *map(str, arguments)]
    rank = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511", "WORLD_SIZE": str(ranks)}
    return _figure([command] * ranks, [{**rank, "RANK": str(n)} for n in range(ranks)])


def _figure(commands: list[list[str]], environments: list[dict[str, str]]) -> Timed:
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, **ONE_THREAD, **environment})
                 for command, environment in zip(commands, environments)]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"{' '.join(commands[0])} has failed")
    return max(Timed(*json.loads(line)) for output in outputs for line in output.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--worker", nargs=5, metavar=("LIBRARY", "NET", "BATCH", "STEPS", "SHARDS"))
    options = parser.parse_args()
    if options.worker:
        library, name, batch, steps, shards = options.worker
        timed = (torch_seconds(name, int(batch), int(steps)) if library == "torch" else
                 cnnkit_seconds(name, int(batch), int(steps), int(shards) or None))
        print(json.dumps(timed))
        return
    from peers.machine import describe

    print(", ".join(f"{name} {value}" for name, value in describe(1).items()))
    for name, batch in NETS:
        ours = ("cnnkit", name, batch, options.steps)
        contenders: dict[str, Callable[[], Timed]] = {
            "cnnkit, 1 process": lambda ours=ours: alone(*ours, 0),
            "cnnkit, 1 process, 8 shards": lambda ours=ours: alone(*ours, 8),
            "cnnkit, 2 processes, 8 shards": lambda ours=ours: by_mpi(2, *ours, 8)}
        if importlib.util.find_spec("torch") is not None:
            theirs = ("torch", name, batch, options.steps, 0)
            contenders |= {"torch, 1 process": lambda theirs=theirs: alone(*theirs),
                           "torch DDP (Gloo), 2 processes": lambda theirs=theirs: by_gloo(2, *theirs)}
        rounds = [{label: measure() for label, measure in contenders.items()} for _ in range(options.rounds)]
        print(f"{name}, batch {batch}")
        middle = {label: statistics.median(turn[label].seconds for turn in rounds) for label in contenders}
        for label, seconds in middle.items():
            print(f"  {label:32} {seconds * 1e3:8.1f} ms")
        first, shards, two = list(middle.values())[:3]
        print(f"  shards cost {shards / first - 1:.1%}; efficiency of two processes {first / (2 * two):.2f}")
        got = min(turn[label].share for turn in rounds for label in contenders if "1 process" in label)
        print(f"  a single process got {got:.0%} of its core"
              + ("" if got >= QUIET else ": others disturbed it, and these figures mean nothing"))


if __name__ == "__main__":
    main()
