"""Work ahead: threads make the next results while the consumer works on the last one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cnnkit.backends.state import choice

__all__ = ["ahead"]


def ahead(function: Callable[[Any], Any], arguments: Iterable[Any], workers: int,
          depth: int) -> Iterator[Any]:
    """``map(function, arguments)`` in order, computed by `workers` threads up to `depth` results ahead.

    An exception of the function or of the arguments is raised where its result is requested, with the
    original traceback. When the consumer stops, no further call begins, and the threads end before the
    generator is closed. A child forked meanwhile, which has none of the threads, begins its own and goes on:
    they make anew what was not finished, so the function may be called once more with an argument.

    >>> list(ahead(lambda n: n * n, range(4), workers=2, depth=3))
    [0, 1, 4, 9]
    """
    threads = _Threads(function, workers)
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
                threads.begin(task, pending)
                pending.append(task)
            if len(pending) > depth:
                yield threads.result(pending)
        while pending:
            yield threads.result(pending)
        if failed is not None:
            raise failed
    finally:
        threads.end()


class _Task:
    """An argument, and what the function made of it, once it is done."""

    future: Future

    def __init__(self, argument: Any):
        self.argument = argument
        self.done: list = []


class _Threads:
    """Threads that call the function; a forked child, which has none of its parent's, begins its own."""

    def __init__(self, function: Callable[[Any], Any], count: int):
        self.function, self.count = function, count
        self.chosen = choice.here()  # what `use` and `tables` say in this thread holds for the workers too
        self._hire()

    def _hire(self) -> None:
        self.process = os.getpid()
        self.pool = ThreadPoolExecutor(self.count, thread_name_prefix="cnnkit-data",
                                       initializer=self._inherit)

    def _inherit(self) -> None:
        choice.thread.value = self.chosen

    def _work(self, task: _Task) -> None:
        task.done.append(self.function(task.argument))

    def _in_child(self, pending: Iterable[_Task]) -> None:
        """In a forked child, begin anew what the parent's threads had not finished."""
        if self.process != os.getpid():
            self._hire()
            for task in pending:
                if not task.done:
                    task.future = self.pool.submit(self._work, task)

    def begin(self, task: _Task, pending: Iterable[_Task]) -> None:
        """Work on one more task, after those that are pending."""
        self._in_child(pending)
        task.future = self.pool.submit(self._work, task)

    def result(self, pending: deque[_Task]) -> Any:
        """Wait for the first of the pending tasks, take it away, and return or raise what it gave."""
        self._in_child(pending)
        task = pending.popleft()
        if not task.done:
            task.future.result()
        return task.done[0]

    def end(self) -> None:
        """Begin no further call, and wait for those that run; a child does not wait for its parent's."""
        if self.process == os.getpid():
            self.pool.shutdown(cancel_futures=True)
