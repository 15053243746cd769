"""`profile`: a block whose kernels are timed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from cnnkit import nn, storage
from cnnkit.backends import get_num_threads
from cnnkit.inspection.timing import Event, Span, Timer
from cnnkit.profiling.averages import KeyAverages
from cnnkit.profiling.chrome import chrome_trace
from cnnkit.profiling.flame import flame_graph

__all__ = ["Profile", "profile"]


class Profile:
    """What `profile` measures, forward, back and updates; it can be read when its block has ended.

    Attributes
    ----------
    events : list of Event
        Kernels' calls, in order.
    spans : list of Span
        Calls of the model's modules.
    memory : list of (float, int)
        Seconds since the block began, and bytes of the arrays that kernels have made and somebody holds.
    seconds : float
        That the block took.
    threads : int
    """

    seconds: float
    threads: int

    def __init__(self, model: nn.Module | None = None):
        if model is not None and not isinstance(model, nn.Module):
            raise TypeError(f"profile() takes an nn.Module, to name its layers; got {type(model).__name__}")
        self._model = model
        self._timer: Timer | None = None
        self._ended = False
        self.seconds, self.threads = 0.0, get_num_threads()

    def __enter__(self) -> Profile:
        if self._timer is not None:
            raise RuntimeError("a profile measures one block; make another with cnnkit.profile()")
        self._timer = Timer(self._model)
        self._watching = self._timer.watching()
        self._watching.__enter__()
        self._begin = time.perf_counter()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.seconds = time.perf_counter() - self._begin
        self._ended = True
        self._watching.__exit__(*exc)

    def _measured(self) -> Timer:
        if self._timer is None or not self._ended:
            raise RuntimeError("a profile can be read when its block has ended: "
                               "with cnnkit.profile() as p: ...")
        return self._timer

    @property
    def events(self) -> list[Event]:
        return self._measured().events

    @property
    def spans(self) -> list[Span]:
        return self._measured().spans

    @property
    def memory(self) -> list[tuple[float, int]]:
        return self._measured().memory

    @property
    def peak_memory(self) -> int:
        """The most bytes of arrays that kernels had made and somebody held at once."""
        return max(size for _, size in self.memory)

    def key_averages(self, by: str = "kernel") -> KeyAverages:
        """Events of one kind together: by kernel, or also by ``"layer"`` or ``"shape"``."""
        return KeyAverages(self.events, by, self.seconds, self.threads)

    def table(self, sort_by: str = "total", row_limit: int = 100, by: str = "kernel") -> str:
        """``key_averages(by).table(sort_by, row_limit)``."""
        return self.key_averages(by).table(sort_by, row_limit)

    def chrome_trace(self) -> dict[str, Any]:
        """The block as a Chrome trace, which https://ui.perfetto.dev and chrome://tracing show."""
        return chrome_trace(self.events, self.spans, self.memory, self.seconds)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write `chrome_trace` to a JSON file."""
        import json

        storage.write(Path(path), json.dumps(self.chrome_trace()).encode())

    def flame_graph(self, width: int = 900) -> str:
        """Time by phase, layer and op as an SVG element, for a page: a box is as wide as its time."""
        return flame_graph(self.events, self.seconds, width)

    def __repr__(self) -> str:
        return self.table() if self._ended else "<profile: its block has not ended>"


def profile(model: nn.Module | None = None) -> Profile:
    """Measure where the time of a block goes: by op and kernel, forward, back and in updates; and its memory.

    It watches this thread. Each call costs some microseconds more than without, and on a device the next call
    waits for it. A step that is captured (`cnnkit.capture`, and `train.fit` by itself) runs kernel by kernel
    meanwhile.

    Parameters
    ----------
    model : Module, optional
        Whose layers are named.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> x = cnnkit.ones(2, 1, 8, 8)
    >>> with cnnkit.profile(model) as p:
    ...     model(x).sum().backward()
    >>> sorted({event.phase for event in p.events}), p.events[-1].layer.partition("+")[0]
    (['backward', 'forward'], '0')
    >>> p.table(sort_by="total").split()[:4]
    ['phase', 'op', 'kernel', 'share']
    """
    return Profile(model)
