"""The library's threads: every task is done once, and another busy process does not delay them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from cnnkit_cpu import library
from cnnkit_cpu.library import address

import cnnkit
from cnnkit import functional as F
from cnnkit import nn


@pytest.mark.parametrize("threads", [2, 3, 7, 40])
def test_every_task_is_done_once(threads):
    before = np.arange(1_000_000, dtype=np.float32) - 500_000
    for _ in range(20):
        after = np.full_like(before, np.nan)
        library.active.relu_forward(threads, before.size, address(before), address(after))
        np.testing.assert_array_equal(after, np.maximum(before, 0))


def gradients(threads, monkeypatch):
    """All gradients of a small network, by so many threads."""
    monkeypatch.setattr(library, "threads", threads)
    cnnkit.random.seed(0)
    net = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(24, 40, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40 * 36, 50))
    x = np.random.default_rng(0).standard_normal((33, 3, 16, 16), dtype=np.float32)
    F.cross_entropy(net(cnnkit.tensor(x)), cnnkit.tensor(np.arange(33))).backward()
    return [p.grad.numpy() for p in net.parameters()]


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    by_one = gradients(1, monkeypatch)
    for threads in (2, 3, 8):
        for a, b in zip(by_one, gradients(threads, monkeypatch)):
            np.testing.assert_array_equal(a, b)


BOUND = """
import os, sys, time, numpy as np
from cnnkit_cpu import library
from cnnkit_cpu.library import address
a = np.ones(1_000_000, np.float32)
library.active.relu_forward(2, a.size, address(a), address(a))
end, bound = time.monotonic() + 20, sys.argv[1] == "True"
while True:  # a thread that has just been made may not have run yet
    counts = [len(os.sched_getaffinity(int(t))) for t in os.listdir("/proc/self/task")]
    if (counts == [1, 1]) == bound or time.monotonic() > end:
        break
    time.sleep(0.01)
print(counts)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are bound on Linux only")
@pytest.mark.parametrize(("value", "bound"), [("true", True), ("close", True), ("false", False), ("", False)])
def test_threads_are_bound_where_the_environment_says_so(value, bound):
    environment = {"OMP_PROC_BIND": value, "OPENBLAS_NUM_THREADS": "1"}
    bound = bound or os.cpu_count() == 1
    process = subprocess.run([sys.executable, "-c", BOUND, str(bound)], env=environment,
                             capture_output=True, text=True, check=True)
    counts = json.loads(process.stdout)
    assert len(counts) == 2
    assert (counts == [1, 1]) == bound
