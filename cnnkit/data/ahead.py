"""Work ahead: threads make the next results while the consumer works on the last one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cnnkit.backends.state import choice

__all__ = ["ahead"]


def ahead(function: Callable[[Any], Any], arguments: Iterable, workers: int, depth: int) -> Iterator:
    """``map(function, arguments)`` in order, computed by `workers` threads up to `depth` results ahead.

    An exception of the function or of the arguments is raised where its result is requested, with the
    original traceback. When the consumer stops, no further call begins, and the threads end before the
    generator is closed. A child forked meanwhile, which has none of the threads, begins its own and goes on:
    they make anew what was not finished, so the function may be called once more with an argument.

    >>> list(ahead(lambda n: n * n, range(4), workers=2, depth=3))
    [0, 1, 4, 9]
    """
    # `use` and `tables` set thread-local values: the workers take over the caller's
    chosen = choice.here()

    def inherit() -> None:
        choice.thread.value = chosen

    def begin() -> ThreadPoolExecutor:
        return ThreadPoolExecutor(workers, thread_name_prefix="cnnkit-data", initializer=inherit)

    def work(task: _Task) -> None:
        task.done.append(function(task.argument))

    def go_on_in_child() -> None:
        nonlocal threads, process
        if process != os.getpid():
            threads, process = begin(), os.getpid()
            for task in pending:
                if not task.done:
                    task.future = threads.submit(work, task)

    def result() -> Any:
        go_on_in_child()
        task = pending.popleft()
        if not task.done:
            task.future.result()
        return task.done[0]

    threads, process = begin(), os.getpid()
    pending: deque[_Task] = deque()
    try:
        source, failed = iter(arguments), None
        while failed is None:
            try:
                task = _Task(next(source))
            except StopIteration:
                break
            except Exception as error:  # raised by the arguments: delivered after the earlier results
                failed = error
            else:
                go_on_in_child()
                pending.append(task)
                task.future = threads.submit(work, task)
            if len(pending) > depth:
                yield result()
        while pending:
            yield result()
        if failed is not None:
            raise failed
    finally:
        if process == os.getpid():
            threads.shutdown(cancel_futures=True)


class _Task:
    """An argument, and what the function made of it, once it is done."""

    future: Future

    def __init__(self, argument: Any):
        self.argument = argument
        self.done: list = []
