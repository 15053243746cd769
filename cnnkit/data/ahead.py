"""Work ahead: threads make the next results while the consumer works on the last one."""

from __future__ import annotations

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
    generator is closed.

    >>> list(ahead(lambda n: n * n, range(4), workers=2, depth=3))
    [0, 1, 4, 9]
    """
    # `use` and `tables` set thread-local values: the workers take over the caller's
    chosen = choice.here()

    def inherit() -> None:
        choice.thread.value = chosen

    threads = ThreadPoolExecutor(workers, thread_name_prefix="cnnkit-data", initializer=inherit)
    pending: deque[Future] = deque()
    try:
        source, failed = iter(arguments), None
        while failed is None:
            try:
                pending.append(threads.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:  # raised by the arguments: delivered after the earlier results
                failed = error
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
        if failed is not None:
            raise failed
    finally:
        threads.shutdown(cancel_futures=True)
