"""Timing: a recorder that looks at the clock around every kernel's call, forward, back and at updates."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from cnnkit import nn
from cnnkit.backends import TimesThreads, backend_of, get_num_threads, kernel_tables
from cnnkit.backends.kernel import Kernel
from cnnkit.foreign import is_array
from cnnkit.inspection.explanation import GENERIC, KernelCall
from cnnkit.inspection.op_costs import bytes_of, flops_of
from cnnkit.inspection.watching import Recorder, qualified
from cnnkit.ops.core import OPS
from cnnkit.ops.update import UPDATES

__all__ = ["Event", "Span", "Timer"]


@dataclass(frozen=True)
class Event:
    """One call of a kernel.

    Attributes
    ----------
    phase : {"forward", "backward", "update", "other"}
        Draws of random numbers and look-ups of pixels are others.
    name : str
        The ops, joined by ``+``; of an update, its name.
    layer : str
        As `KernelCall.layer`; empty for what belongs to no module.
    table, kernel : str
        The kernel table and the function.
    shape : str
        The shapes of the arrays that it was given.
    start, seconds : float
        When it began, in seconds since the first event could have, and how long it took.
    bytes : int
        Of all arrays that it was given and made.
    flops : int or None
        Operations; ``None`` where they are not known.
    idle : float or None
        Seconds that threads waited, all of them together; ``None`` where nobody measures that.
    """

    phase: str
    name: str
    layer: str
    table: str
    kernel: str
    shape: str
    start: float
    seconds: float
    bytes: int
    flops: int | None
    idle: float | None


@dataclass(frozen=True)
class Span:
    """One call of a module: its name, when it began, and how long it took."""

    layer: str
    start: float
    seconds: float


class Timer(Recorder):
    """Measures every kernel's call of this thread.

    Attributes
    ----------
    events : list of Event
    spans : list of Span
        Calls of modules, in the order in which they ended.
    memory : list of (float, int)
        Bytes of the arrays that kernels have made and somebody holds, whenever that changes.
    """

    def __init__(self, model: nn.Module | None):
        super().__init__(model)
        self.events: list[Event] = []
        self.spans: list[Span] = []
        self.memory: list[tuple[float, int]] = [(0.0, 0)]
        self._begin = time.perf_counter()
        self._runtimes: list[TimesThreads] = []
        for table in kernel_tables():
            if table.available() is True and isinstance(table.runtime, TimesThreads):
                self._runtimes.append(table.runtime)
        self._threads = get_num_threads()
        self._last: tuple[float, float, float | None] = (0.0, 0.0, None)
        self._held: dict[int, int] = {}  # arrays that kernels have made, by `id`: their bytes

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as blocks:
            for runtime in self._runtimes:
                runtime.watch_threads(True)
                blocks.callback(runtime.watch_threads, False)
            blocks.enter_context(super().watching())
            self._begin = time.perf_counter()
            yield

    def recording(self, layer: str, forward: Callable) -> Callable:
        watched = super().recording(layer, forward)

        @wraps(forward)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self._now()
            try:
                return watched(*args, **kwargs)
            finally:
                self.spans.append(Span(layer, start, self._now() - start))
        return timed

    def run(self, function: Callable[..., Any], arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        first = next(_arrays(arguments), None)
        wait = None if first is None else backend_of(first).synchronize
        if wait is not None:
            wait()
        before = [runtime.threads_time() for runtime in self._runtimes]
        start = self._now()
        result = function(*arguments, **settings)
        if wait is not None:
            wait()
        seconds = self._now() - start
        self._last = start, seconds, self._idle(before, seconds)
        return result

    def _idle(self, before: list[tuple[float, float]], seconds: float) -> float | None:
        """How long threads waited: where a kernel runs on one, all the others do."""
        if not self._runtimes:
            return None
        shared, worked = (sum(values) for values in zip(*[
            (after[0] - old[0], after[1] - old[1]) for old, after in
            zip(before, [runtime.threads_time() for runtime in self._runtimes])]))
        alone = max(0.0, seconds - shared)
        return max(0.0, self._threads * seconds - worked - alone)

    def served(self, row: KernelCall, calls: Sequence[Any], arrays: Sequence[Any], needs: Sequence[bool],
               outputs: Any) -> Any:
        super().served(row, calls, arrays, needs, outputs)
        is_view = calls[-1].op.view is not None  # whose numbers stay where they are
        nbytes = 0 if is_view else bytes_of(list(arrays), outputs)
        self._note("forward", row, nbytes, flops_of(calls, arrays))
        if not is_view:
            self._hold(outputs)
        wanted = tuple(map(bool, needs))
        return flops_of(calls, arrays, wanted) if any(wanted) else None

    def went_back(self, row: KernelCall, forward: Any, dys: Sequence[Any], dxs: Sequence[Any]) -> None:
        super().went_back(row, forward, dys, dxs)
        is_view = (OPS[row.ops[-1]].view is not None
                   and bytes_of(list(dys)) == bytes_of(list(dxs)))  # around a part there are zeros to write
        self._note("backward", row, 0 if is_view else bytes_of(list(dys), list(dxs)), forward)
        if not is_view:
            self._hold(dxs)

    def other(self, table: str, key: str, kernel: Kernel) -> Kernel:
        def timed(*arguments: Any, **settings: Any) -> Any:
            with self.unwatched():
                result = self.run(kernel, arguments, settings)
            if result is not NotImplemented:
                row = KernelCall("", (key,), (), None, "", table, qualified(kernel))
                self._note("update" if key in UPDATES else "other", row, bytes_of(arguments, result), None)
                self._hold(result)
            return result
        return timed

    def others(self) -> Mapping[str, Kernel]:
        return {name: self.other(GENERIC, name, partial(update.body)) for name, update in UPDATES.items()}

    def _note(self, phase: str, row: KernelCall, nbytes: int, flops: int | None) -> None:
        start, seconds, idle = self._last
        shapes = ", ".join("x".join(map(str, shape)) for shape in row.inputs if shape)
        self.events.append(Event(phase, "+".join(row.ops), row.layer, row.table, row.kernel, shapes, start,
                                 seconds, nbytes, flops, idle))

    def _hold(self, values: Any) -> None:
        """Count the arrays that a kernel has made, as long as somebody holds them."""
        for array in _arrays(values):
            number = id(array)
            if number not in self._held:
                try:
                    weakref.finalize(array, self._release, number).atexit = False
                except TypeError:  # arrays of a library that does not allow it
                    continue
                self._held[number] = bytes_of(array)
                self.memory.append((self._now(), self.memory[-1][1] + self._held[number]))

    def _release(self, number: int) -> None:
        self.memory.append((self._now(), self.memory[-1][1] - self._held.pop(number)))

    def _now(self) -> float:
        return time.perf_counter() - self._begin


def _arrays(values: Any) -> Iterator[Any]:
    """All arrays in nested lists, tuples and dicts."""
    if isinstance(values, dict):
        values = values.values()
    elif is_array(values):
        yield values
        return
    elif not isinstance(values, list | tuple):
        return
    for value in values:
        yield from _arrays(value)
