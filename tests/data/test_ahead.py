"""Working ahead changes when a result is made, and nothing else."""

import threading
import time
import traceback

import numpy as np
import pytest

import cnnkit
from cnnkit import backends
from cnnkit.data import ArrayDataset, DataLoader
from cnnkit.data.ahead import ahead


def running():
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

    got = list(ahead(slow_at_first, range(20), workers, 5))
    assert [n for n, _ in got] == list(range(20))
    assert threading.current_thread().name not in {name for _, name in got}
    assert not running()


def test_no_more_is_begun_than_was_asked_for():
    begun, made = [], ahead(lambda n: begun.append(n) or n, range(100), 1, 3)
    assert begun == []
    assert [next(made), next(made)] == [0, 1]
    made.close()
    assert begun == list(range(len(begun)))
    assert 2 <= len(begun) <= 5


def test_an_exception_is_raised_in_its_place_with_its_own_traceback():
    made = ahead(fail, range(10), 2, 4)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="sample 3 is broken") as caught:
        next(made)
    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert next(made, "nothing more") == "nothing more"
    assert not running()


def test_the_threads_end_when_the_consumer_stops_early():
    for _ in ahead(fail, range(3), 2, 2):
        break
    assert not running()
    loader = DataLoader(ArrayDataset(np.zeros((40, 1, 2, 2), np.float32), np.arange(40)), 2, num_workers=2)
    batches = iter(loader)
    next(batches)
    assert running()
    batches.close()
    assert not running()


def test_what_use_chose_for_the_consumers_thread_holds_for_the_workers():
    with cnnkit.use("array-api-strict:device1"), backends.tables():
        seen = list(ahead(lambda _: (backends.current().name, str(backends.current_device()),
                                     backends.current().resolve().single), range(2), 1, 1))
    assert seen == [("array-api-strict", "array_api_strict.Device('device1')", {})] * 2
