"""Several threads, and a child forked while they work: everything is the same as with one thread.

`thread_stress.py` runs longer by hand, with other seeds and more switches.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnkit import backends

STRESS = Path(__file__).parent / "thread_stress.py"
available = pytest.mark.skipif("cpu" not in {t.name for t in backends.kernel_tables("numpy")
                                             if t.available() is True}, reason="no C++ kernels")


def run(*command):
    process = subprocess.run([sys.executable, "-W", "ignore", *map(str, command)], capture_output=True,
                             text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.parametrize("name", [pytest.param("cpu", marks=available), "numpy"])
def test_eight_threads_that_begin_at_once_get_the_numbers_of_one(name):
    assert run(STRESS, name, "--rounds", 1) == "8 threads: equal to the bit\n"


FORK = """
import os, signal, sys, threading
import cnnkit
from cnnkit import nn, optim, random
from cnnkit import functional as F
from cnnkit.data import ArrayDataset, DataLoader
import numpy as np

cnnkit.use(sys.argv[1])
images = np.ones((8, 1, 32, 32), np.float32)
stop = threading.Event()


def step(workers=0):
    with random.seeded(0):
        model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(14400, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for x, y in DataLoader(ArrayDataset(images, np.arange(8) % 3), batch_size=4, num_workers=workers):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    random.next_key()
    return b"".join(p.numpy().tobytes() for p in model.parameters())


def work():
    while not stop.is_set():
        step()


wanted = step()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for n in range(4):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that waits for ever
        os._exit(0 if step(workers=n % 2) == wanted and threading.active_count() == 1 else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        break
stop.set()
sys.exit(f"child {n}: {code}" if code else 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@available
def test_a_child_forked_while_threads_compute_goes_on():
    run("-c", FORK, "cpu")


POOL = """
import multiprocessing
import numpy as np
import cnnkit
from cnnkit import nn, random

with random.seeded(0):
    model = nn.Conv2d(1, 16, 3)
x = cnnkit.tensor(np.ones((4, 1, 32, 32), np.float32))


def answer(n):
    return model(x).numpy().tobytes()


wanted = answer(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(answer, range(4)) == [wanted] * 4
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_workers_of_multiprocessing_compute():
    run("-c", POOL)
