"""Working ahead changes when a result is made, and nothing else."""

import os
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import cnnkit
from cnnkit import backends
from cnnkit.data import ArrayDataset, DataLoader
from cnnkit.data.ahead import ahead


def running_threads():
    return [t for t in threading.enumerate() if t.name.startswith("cnnkit-data")]


def fail(n):
    if n == 3:
        raise ValueError("sample 3 is broken")
    return n


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_order_whoever_made_them(workers):
    def slow_at_first(n):
        time.sleep(0.02 if n == 0 else 0)
        return n, threading.current_thread().name

    results = list(ahead(slow_at_first, range(20), workers, 5))
    assert [n for n, _ in results] == list(range(20))
    assert threading.current_thread().name not in {name for _, name in results}
    assert not running_threads()


def test_no_more_calls_begin_than_the_depth_allows():
    calls = []
    results = ahead(lambda n: calls.append(n) or n, range(100), 1, 3)
    assert calls == []
    assert [next(results), next(results)] == [0, 1]
    results.close()
    assert calls == list(range(len(calls)))
    assert 2 <= len(calls) <= 5


def test_an_exception_is_raised_in_place_of_its_result_with_its_traceback():
    results = ahead(fail, range(10), 2, 4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="sample 3 is broken") as error:
        next(results)
    assert "fail" in [frame.name for frame in traceback.extract_tb(error.value.__traceback__)]
    assert next(results, "nothing more") == "nothing more"
    assert not running_threads()


def test_the_threads_end_when_the_consumer_stops_early():
    for _ in ahead(fail, range(3), 2, 2):
        break
    assert not running_threads()
    loader = DataLoader(ArrayDataset(np.zeros((40, 1, 2, 2), np.float32), np.arange(40)), 2, num_workers=2)
    batches = iter(loader)
    next(batches)
    assert running_threads()
    batches.close()
    assert not running_threads()


def test_what_use_chose_for_the_consumers_thread_holds_for_the_workers():
    with cnnkit.use("array-api-strict:device1"), backends.tables():
        settings = list(ahead(lambda _: (backends.current().name, str(backends.current_device()),
                                         backends.current().resolve().single), range(2), 1, 1))
    assert settings == [("array-api-strict", "array_api_strict.Device('device1')", {})] * 2


FORKED = """
import os, time, threading
from cnnkit.data.ahead import ahead

def slow(n):
    time.sleep(0.02)
    return n

results = ahead(slow, range(6), 2, 3)
first = next(results)
child = os.fork()
rest = [first, *results]
assert rest == [0, 1, 2, 3, 4, 5], rest
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_goes_on_with_threads_of_its_own():
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True,
                             timeout=30, check=False)
    assert process.returncode == 0, process.stderr
