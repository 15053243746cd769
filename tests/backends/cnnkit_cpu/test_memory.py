"""The pool hands memory out again when, and only when, nobody holds it."""

import gc
import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from cnnkit_cpu import memory
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
for _ in range(6):
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


def interrupted(function, at, code, what):
    """Call `what()` at the `at`-th instruction of `code` in ``function()``; whether it came so far."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == at:
                sys.settrace(None)
                what()
        return trace
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count >= at


def overlapping(arrays):
    spans = sorted((begin_of(a), begin_of(a) + a.nbytes) for a in arrays)
    return any(end > start for (_, end), (start, _) in itertools.pairwise(spans))


@pytest.mark.parametrize("blocks", [0, 1, 2])
@pytest.mark.parametrize("code", [Pool.empty, Pool.trim], ids=lambda f: f.__name__)
def test_a_handler_or_finalizer_that_takes_memory_meanwhile_gets_other_memory(blocks, code):
    at, went_on = 0, True
    while went_on:
        at += 1
        pool, arrays = Pool(), []
        free = [pool.empty(SHAPE) for _ in range(blocks)]
        del free

        def take(pool=pool, arrays=arrays):
            if code is Pool.trim:
                pool.trim()
            arrays.append(pool.empty(SHAPE))
        went_on = interrupted(take, at, code.__code__, lambda p=pool, a=arrays: a.append(p.empty(SHAPE)))
        assert len(arrays) == 1 + went_on
        arrays.append(pool.empty(SHAPE))
        assert not overlapping(arrays)
    assert at > 10


@pytest.mark.parametrize("free", [0, 1])
def test_an_interrupt_at_any_moment_loses_no_memory_and_gives_none_out_twice(free):
    def interrupt():
        raise KeyboardInterrupt

    size, at, went_on = SHAPE[0] * SHAPE[1] * 4, 0, True
    while went_on:
        at += 1
        pool = Pool()
        kept = pool.empty(SHAPE)
        a = pool.empty(SHAPE) if free else None
        del a
        went_on = False
        try:
            interrupted(lambda p=pool: p.empty(SHAPE), at, Pool.empty.__code__, interrupt)
        except KeyboardInterrupt:
            went_on = True
        again = [pool.empty(SHAPE) for _ in range(3)]
        assert not overlapping([kept, *again])
        del kept, again
        pool.trim()
        assert (pool.held, size > 0) == (0, True)
    assert at > 10


def test_when_the_system_has_no_more_what_is_kept_for_nothing_is_given_back(monkeypatch):
    pool, calls, allocate = Pool(), [], np.empty
    a = pool.empty(SHAPE)
    pool.empty((PAGE, 3))

    def tight(*args):
        calls.append(pool.held)
        if pool.held > SHAPE[0] * SHAPE[1] * 4:
            raise MemoryError
        return allocate(*args)
    monkeypatch.setattr(np, "empty", tight)
    b = pool.empty((PAGE, 4))
    assert (calls, b.shape) == ([5 * PAGE * 4, 2 * PAGE * 4], (PAGE, 4))
    pool.release()
    monkeypatch.setattr(np, "empty", lambda *args: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        pool.empty(SHAPE)
    a[...] = 1


def test_memory_that_was_not_used_for_some_time_is_given_back(monkeypatch):
    now = 100.0
    monkeypatch.setattr(memory, "monotonic", lambda: now)
    pool = Pool(age=30.0)
    kept = pool.empty((PAGE, 1))
    pool.empty((PAGE, 2))
    now += 29
    pool.empty((PAGE, 3))
    assert pool.held == 6 * PAGE * 4
    now += 2
    pool.empty((PAGE, 3))
    assert pool.held == 4 * PAGE * 4  # of the two that are free, the one that was used lately stays
    kept[...] = 1


def test_arrays_that_lie_between_the_words_are_copied():
    odd = np.ndarray((5, 7), np.float32, np.zeros(5 * 7 * 4 + 1, np.uint8), 1)
    odd[...] = 3
    copy = packed(odd)
    assert copy.flags.aligned
    assert (copy == 3).all()
    assert packed(copy) is copy
