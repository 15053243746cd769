"""Threads and memory of the kernel tables that manage their own."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from cnnkit.backends.plugins import kernel_tables
from cnnkit.backends.table import Runtime
from cnnkit.foreign import is_whole

__all__ = ["get_num_threads", "release_memory", "set_num_threads"]


def _runtimes() -> Iterator[Runtime]:
    return (t.runtime for t in kernel_tables() if t.runtime is not None and t.available() is True)


def get_num_threads() -> int:
    """How many threads a kernel uses at most: at first what ``OMP_NUM_THREADS`` says, or one for each core.

    1 where no kernel table has threads. The matrix products of NumPy's own library, which serve float64 and
    what the C++ kernels leave to NumPy, have threads of their own, and are set by that library's
    environment variables.

    >>> get_num_threads() >= 1
    True
    """
    return max((runtime.get_num_threads() for runtime in _runtimes()), default=1)


def set_num_threads(count: int) -> None:
    """Let kernels use `count` threads, in the whole process; results stay the same, bit for bit.

    Raises
    ------
    ValueError, TypeError
        If `count` is no whole number of at least 1, or more than a kernel table takes (the C++
        kernels: 1024).

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if not is_whole(count):
        raise TypeError(f"set_num_threads needs a whole number; got {count!r}")
    count = operator.index(count)
    if count < 1:
        raise ValueError(f"set_num_threads needs at least 1 thread; got {count}")
    for runtime in _runtimes():
        runtime.set_num_threads(count)


def release_memory() -> None:
    """Give back the memory that kernel tables keep for the next call; arrays that exist keep theirs.

    >>> release_memory()
    """
    for runtime in _runtimes():
        runtime.release_memory()
