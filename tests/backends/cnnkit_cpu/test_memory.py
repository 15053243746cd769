"""The pool hands memory out again when, and only when, nobody holds it."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from cnnkit_cpu.memory import PAGE, Pool, packed

SHAPE = (PAGE, 2)


def begin_of(array):
    return array.ctypes.data


def test_memory_is_used_again_once_its_array_is_gone():
    pool = Pool()
    a = pool.empty(SHAPE)
    first = begin_of(a)
    assert begin_of(pool.empty(SHAPE)) != first
    del a
    assert begin_of(pool.empty(SHAPE)) == first


def test_a_view_keeps_the_memory():
    pool = Pool()
    a = pool.empty(SHAPE)
    first, view = begin_of(a), a.T[1:, 5:]
    del a
    assert begin_of(pool.empty(SHAPE)) != first
    again = memoryview(view)
    del view
    assert begin_of(pool.empty(SHAPE)) != first
    del again
    gc.collect()
    assert begin_of(pool.empty(SHAPE)) == first


def test_arrays_begin_with_a_cache_line():
    pool = Pool()
    assert [begin_of(pool.empty((n,))) % 64 for n in (PAGE, 3 * PAGE + 1, 10 * PAGE)] == [0, 0, 0]


def test_the_pool_keeps_no_more_than_it_may():
    pool = Pool(most=4 * PAGE)
    kept = [pool.empty((PAGE // 4,)) for _ in range(4)]
    assert pool.held == 4 * PAGE
    beyond = pool.empty((PAGE // 4,))
    beyond[:] = 1
    assert pool.held == 4 * PAGE
    del kept[:2]
    larger = pool.empty((PAGE // 2,))  # the two that are free make room for it
    assert pool.held == 4 * PAGE
    assert larger.nbytes == 2 * PAGE


def test_release_gives_everything_back_and_arrays_live_on():
    pool = Pool()
    a = pool.empty(SHAPE)
    a[...] = 7
    pool.release()
    assert pool.held == 0
    b = pool.empty(SHAPE)
    b[...] = 8
    assert (a == 7).all()


def test_two_threads_never_get_the_same_memory():
    pool = Pool()
    failures = []

    def work(number):
        for _ in range(300):
            a = pool.empty((PAGE // 4,), np.dtype(np.int32))
            a[:] = number
            if not (a == number).all():
                failures.append(number)
    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


FORKS = """
import os, signal, threading
from cnnkit_cpu import memory

stop = False


def work():
    while not stop:
        memory.empty((20000,))


for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
codes = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # ends a child that waits for ever
        memory.empty((20000,))
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if any(codes):
        break
stop = True
assert not any(codes), codes
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_forked_while_other_threads_take_memory_can_take_some_too():
    process = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True,
                             timeout=60, check=False)
    assert process.returncode == 0, process.stderr


def test_memory_can_be_taken_by_what_interrupts_the_taking():
    pool = Pool()
    pool.hold()  # as a signal handler or a finalizer finds it
    try:
        taken = []
        worker = threading.Thread(target=lambda: taken.append(pool._lock.acquire(blocking=False)))
        worker.start()
        worker.join()
        assert taken == [False]
        assert pool._lock.acquire(blocking=False)
        assert pool.empty(SHAPE).shape == SHAPE
        pool._lock.release()
    finally:
        pool.let()


def test_arrays_that_lie_between_the_words_are_copied():
    odd = np.ndarray((5, 7), np.float32, np.zeros(5 * 7 * 4 + 1, np.uint8), 1)
    odd[...] = 3
    copy = packed(odd)
    assert copy.flags.aligned
    assert (copy == 3).all()
    assert packed(copy) is copy
