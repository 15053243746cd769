"""The software device of this process: its counters, its log and its settings."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cnnkit_softcuda.environment import STREAMS

__all__ = ["exact_allocations", "loaded", "log", "reset", "setting", "stats", "streams", "watched"]


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libcuda.so.1")
        library.soft_setting.restype = ctypes.c_long
        library.soft_counter_names.restype = library.soft_log_text.restype = ctypes.c_char_p
    except (OSError, AttributeError):  # there is no driver, or it is a GPU's
        raise RuntimeError("this process has no software device; start it with "
                           "`python -m cnnkit_softcuda python ...`") from None
    return library


def loaded() -> bool:
    """Whether this process runs on the software device."""
    try:
        return bool(_library())
    except RuntimeError:
        return False


def stats() -> dict[str, int]:
    """What was asked of the device since the process began, or since `reset`.

    Launches, allocations and their bytes, copies and bytes in each direction, waits of the host, and so on,
    by name.

    Raises
    ------
    RuntimeError
        If this process does not run on the software device.
    """
    library = _library()
    names = library.soft_counter_names().decode().split()
    values = (ctypes.c_long * len(names))()
    library.soft_counters(values)
    return dict(zip(names, values))


def reset() -> None:
    """Set the counters to zero."""
    _library().soft_reset_counters()


@contextmanager
def log() -> Iterator[list[str]]:
    """A list that has, when the block ends, its calls: launches with names, copies with bytes, waits."""
    calls: list[str] = []
    _library().soft_log(1)
    try:
        yield calls
    finally:
        calls += _library().soft_log_text().decode().splitlines()
        _library().soft_log(0)


def setting(name: str) -> int:
    """A setting by name: ``devices``, ``arch``, ``streams``, ``seed``, ``watch``, ``order``, ``null``."""
    value = _library().soft_setting(name.encode(), 0, 0)
    if value < 0:
        raise ValueError(f"there is no setting {name!r}")
    return value


@contextmanager
def _changed(name: str, value: int) -> Iterator[None]:
    before = setting(name)
    _library().soft_setting(name.encode(), value, 1)
    try:
        yield
    finally:
        _library().soft_setting(name.encode(), before, 1)


def watched() -> AbstractContextManager[None]:
    """A block in which races, and reads of shared memory that nobody has written, stop a kernel."""
    return _changed("watch", 1)


def streams(kind: str) -> AbstractContextManager[None]:
    """A block in which a stream's work runs ``"eager"``, ``"late"`` (when somebody waits for it) or in
    ``"random"`` order. Before and after it all work is finished.
    """
    if kind not in STREAMS:
        raise ValueError(f"streams run {', '.join(STREAMS)}; got {kind!r}")
    return _changed("streams", STREAMS.index(kind))


@contextmanager
def exact_allocations() -> Iterator[None]:
    """A block in which each new array is an allocation of its own, of just its bytes.

    CuPy's pool rounds them up and puts several into one, so that an index beyond an array's end may lie in
    another one, as on a GPU.
    """
    import cupy

    pool = cupy.cuda.get_allocator()
    cupy.cuda.set_allocator(None)
    try:
        yield
    finally:
        cupy.cuda.set_allocator(pool)
