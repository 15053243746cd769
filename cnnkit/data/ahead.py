"""Work ahead: threads make the next results while the consumer works on the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cnnkit.backends.state import local

__all__ = ["ahead"]


def ahead(function: Callable[[Any], Any], arguments: Iterable, workers: int, depth: int) -> Iterator:
    """``map(function, arguments)`` in the same order, with up to `depth` results made beforehand by
    `workers` threads.

    What the function or the arguments raise is raised where that result was asked for, with its own
    traceback. When the consumer stops, no more is begun, and the threads have ended before the
    generator is closed.

    >>> list(ahead(lambda n: n * n, range(4), workers=2, depth=3))
    [0, 1, 4, 9]
    """
    # `use` and `tables` hold for a thread: for these too
    chosen = (local.backend, local.device, local.tables)

    def inherit() -> None:
        local.backend, local.device, local.tables = chosen

    threads = ThreadPoolExecutor(workers, thread_name_prefix="cnnkit-data", initializer=inherit)
    waiting: deque[Future] = deque()
    try:
        source, failed = iter(arguments), None
        while failed is None:
            try:
                waiting.append(threads.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:  # of the arguments: it comes after the results of those before
                failed = error
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failed is not None:
            raise failed
    finally:
        threads.shutdown(cancel_futures=True)
