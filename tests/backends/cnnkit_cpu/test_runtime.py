"""The table ``cpu`` measures the processor's peak and its threads' time."""

import time

import numpy as np
import pytest
from cnnkit_cpu import library, runtime
from cnnkit_cpu.library import address

import cnnkit
from cnnkit.backends import MeasuresPeak, TimesThreads

pytestmark = pytest.mark.skipif(not library.libraries, reason=library.REASON)


@pytest.fixture
def two_threads():
    before = cnnkit.get_num_threads()
    cnnkit.set_num_threads(2)
    yield
    cnnkit.set_num_threads(before)


def seconds(rounds):
    """How long multiply-adds take."""
    start = time.process_time()
    library.active.peak_multiply_adds(1, rounds)
    return time.process_time() - start


@pytest.mark.parametrize("isa", library.isas())
def test_multiply_adds_take_as_long_as_there_are(isa):
    library.force(isa)
    try:
        assert library.active.peak_operations(1, 100) == 2 * library.active.peak_operations(1, 50)
        # nothing was left out: in one of many tries at least, four times as many take more than twice as long
        assert any(seconds(80000) > 2 * seconds(20000) for _ in range(50))
    finally:
        library.force(None)


def test_the_runtime_says_what_it_can_do():
    assert isinstance(runtime.Runtime(), MeasuresPeak)
    assert isinstance(runtime.Runtime(), TimesThreads)


def test_the_threads_time_is_counted_while_it_is_watched(two_threads):
    times, x = runtime.Runtime(), np.ones(1 << 20, np.float32)

    def work():
        for _ in range(5):
            library.active.add_arrays(2, x.size, address(x), address(x), address(x))
    times.watch_threads(True)
    try:
        assert times.threads_time() == (0, 0)
        work()
        shared, worked = times.threads_time()
    finally:
        times.watch_threads(False)
    assert 0 < worked <= 2 * shared
    work()
    assert times.threads_time() == (0, 0)
