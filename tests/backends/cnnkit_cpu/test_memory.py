"""The pool hands memory out again when, and only when, nobody holds it."""

import gc
import threading

import numpy as np
from cnnkit_cpu.memory import PAGE, Pool

SHAPE = (PAGE, 2)


def where(array):
    return array.ctypes.data


def test_memory_is_used_again_once_its_array_is_gone():
    pool = Pool()
    a = pool.empty(SHAPE)
    first = where(a)
    assert where(pool.empty(SHAPE)) != first
    del a
    assert where(pool.empty(SHAPE)) == first


def test_a_view_keeps_the_memory():
    pool = Pool()
    a = pool.empty(SHAPE)
    first, view = where(a), a.T[1:, 5:]
    del a
    assert where(pool.empty(SHAPE)) != first
    again = memoryview(view)
    del view
    assert where(pool.empty(SHAPE)) != first
    del again
    gc.collect()
    assert where(pool.empty(SHAPE)) == first


def test_arrays_begin_with_a_cache_line():
    pool = Pool()
    assert [where(pool.empty((n,))) % 64 for n in (PAGE, 3 * PAGE + 1, 10 * PAGE)] == [0, 0, 0]


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
    wrong = []

    def work(number):
        for _ in range(300):
            a = pool.empty((PAGE // 4,), np.dtype(np.int32))
            a[:] = number
            if not (a == number).all():
                wrong.append(number)
    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
