"""Settings in threads: a call is for the process, and a block is noticed by no other thread."""

import gc
import sys
import threading

import pytest

import cnnkit
from cnnkit import backends
from cnnkit.backends.setting import Setting, Switch
from cnnkit.backends.state import default


class Number(Switch[int]):
    setting = Setting(1)

    def __init__(self, value):
        super().__init__(value)


@pytest.fixture(autouse=True)
def one():
    yield
    Number(1)
    cnnkit.use(None)
    assert Number.setting.thread.value is None


def in_a_thread(function=Number.setting.get):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_a_call_is_for_the_process_and_a_block_for_its_thread():
    Number(2)
    assert (in_a_thread(), Number.setting.get()) == (2, 2)
    with Number(3):
        assert (in_a_thread(), Number.setting.get()) == (2, 3)
        with Number(4):
            assert (in_a_thread(), Number.setting.get()) == (2, 4)
        assert Number.setting.get() == 3
    assert (in_a_thread(), Number.setting.get()) == (2, 2)


def test_an_object_that_is_kept_is_a_call_once_its_thread_asks_and_a_block_if_it_is_entered_before():
    kept = Number(2)
    assert in_a_thread() == 1
    assert (Number.setting.get(), in_a_thread()) == (2, 2)
    other = Number(3)
    with other:
        assert (Number.setting.get(), in_a_thread()) == (3, 2)
    del kept, other
    assert (Number.setting.get(), in_a_thread()) == (2, 2)


def test_a_call_inside_a_block_is_for_the_process_and_the_block_goes_on():
    with Number(2):
        Number(3)
        assert (Number.setting.get(), in_a_thread()) == (2, 3)
        kept = Number(4)
    assert (Number.setting.get(), in_a_thread()) == (4, 4)
    del kept


def test_one_object_can_be_entered_by_several_threads_and_again():
    block, seen = Number(5), []

    def enter():
        with block, block:
            seen.append(Number.setting.get())
            return in_a_thread()
    with block:
        assert in_a_thread(enter) == 1
        assert Number.setting.get() == 5
    assert (seen, Number.setting.get()) == ([5], 1)


def test_a_signal_handler_that_asks_before_the_block_begins_leaves_the_process_alone():
    block = Number(2)
    assert Number.setting.get() == 2  # the handler
    with block:
        assert in_a_thread() == 1
    assert Number.setting.get() == 1




@pytest.mark.heavy
@pytest.mark.parametrize("method", [Switch.__enter__, Switch.__exit__])
def test_an_interrupt_while_a_block_begins_or_ends_leaves_this_thread_as_it_was(method):
    interrupted, line = 0, 0
    while True:
        line += 1
        count = 0

        def trace(frame, event, arg, target=line):
            nonlocal count
            if frame.f_code is not method.__code__:
                return trace if event == "call" else None
            if event == "line":
                count += 1
                if count == target:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with Number(2):
                pass
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)
        gc.collect()
        assert Number.setting.get() in (1, 2)
        assert Number.setting.thread.value is None
        Number(1)
        if count < line:
            break
    assert interrupted > 1


def test_blocks_in_other_threads_are_never_seen():
    cnnkit.use("cpu" if "cpu" in [t.name for t in backends.kernel_tables()] else "numpy")
    before, stop, seen = (default.backend, default.device, default.tables), threading.Event(), set()

    def work(name):
        while not stop.is_set():
            with cnnkit.use(name), cnnkit.precision("strict"):
                pass

    def watch():
        seen.update((default.backend, default.device, default.tables) for _ in range(3000))
    threads = [threading.Thread(target=work, args=(name,)) for name in ("numpy", "array-api-strict") * 2]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        watch()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert seen == {before}
    assert (default.backend, default.device, default.tables) == before
    assert backends.precision_level() == "fast"
