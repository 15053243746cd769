"""Events of one kind together, and the table of them, sorted as `torch.profiler`'s ``key_averages`` is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cnnkit.inspection.timing import Event

__all__ = ["GROUPS", "Average", "KeyAverages", "si"]

Key = tuple[str, str, str, str, str]  # phase, ops, layer, kernel, shapes
GROUPS: dict[str, Callable[[Event], Key]] = {
    "kernel": lambda e: (e.phase, e.name, "", f"{e.table}: {e.kernel}", ""),
    "layer": lambda e: (e.phase, e.name, e.layer, f"{e.table}: {e.kernel}", ""),
    "shape": lambda e: (e.phase, e.name, "", f"{e.table}: {e.kernel}", e.shape)}
SORTS = {"total": "seconds", "average": "average", "calls": "calls", "bytes": "bytes", "idle": "idle",
         "self_cpu_time_total": "seconds", "cpu_time_total": "seconds", "self_cuda_time_total": "seconds",
         "cuda_time_total": "seconds", "cpu_time": "average", "count": "calls"}  # with PyTorch's names


@dataclass(frozen=True)
class Average:
    """Calls of one kernel for one op, and phase.

    Attributes
    ----------
    phase, name, layer, kernel, shape : str
        As those of an `Event`; what does not tell groups apart is empty.
    calls : int
    seconds : float
        Of all calls.
    bytes : int
    flops : int
        Of the calls whose operations are known.
    idle : float or None
        Seconds that threads waited, all of them together.
    """

    phase: str
    name: str
    layer: str
    kernel: str
    shape: str
    calls: int
    seconds: float
    bytes: int
    flops: int
    idle: float | None

    @property
    def average(self) -> float:
        """Seconds of one call."""
        return self.seconds / self.calls


class KeyAverages(list[Average]):
    """A list of `Average`; ``table()`` is its text.

    Parameters
    ----------
    events : iterable of Event
    by : {"kernel", "layer", "shape"}
        What tells groups apart, beside phase, op and kernel.
    seconds : float
        That the whole block took; what no kernel used is Python and the rest.
    threads : int
    """

    seconds: float
    threads: int

    def __init__(self, events: Iterable[Event], by: str, seconds: float, threads: int):
        if by not in GROUPS:
            raise ValueError(f"by must be one of {', '.join(GROUPS)}; got {by!r}")
        groups: dict[Key, list[Event]] = {}
        for event in events:
            groups.setdefault(GROUPS[by](event), []).append(event)
        super().__init__(Average(*key, len(found), sum(e.seconds for e in found), sum(e.bytes for e in found),
                                 sum(e.flops or 0 for e in found),
                                 None if any(e.idle is None for e in found)
                                 else sum(e.idle or 0 for e in found))
                         for key, found in groups.items())
        self.seconds, self.threads = seconds, threads

    def table(self, sort_by: str = "total", row_limit: int = 100) -> str:
        """Lines of text, the largest first.

        Parameters
        ----------
        sort_by : str
            ``"total"``, ``"average"``, ``"calls"``, ``"bytes"`` or ``"idle"``; PyTorch's names do too.
        row_limit : int
            How many lines at most; -1 for all.
        """
        if sort_by not in SORTS:
            raise ValueError(f"sort_by must be one of {', '.join(SORTS)}; got {sort_by!r}")
        rows = sorted(self, key=lambda row: -(getattr(row, SORTS[sort_by]) or 0))
        left_out = [] if row_limit < 0 else rows[row_limit:]
        rows = rows if row_limit < 0 else rows[:row_limit]
        whole = max(self.seconds, 1e-12)
        head = ("phase", "op", *(["layer"] if any(row.layer for row in self) else []), "kernel",
                *(["shapes"] if any(row.shape for row in self) else []), "share", "total", "calls", "average",
                "bytes", "FLOP/s", "idle")
        texts = 3 + ("layer" in head) + ("shapes" in head)
        lines = [head]
        for row in rows:
            idle = "-" if row.idle is None else f"{100 * row.idle / (self.threads * row.seconds or 1):.0f} %"
            rate = f"{si(row.flops / row.seconds)}" if row.flops and row.seconds else "-"
            lines.append((row.phase, row.name, *([row.layer] if "layer" in head else []), row.kernel,
                          *([row.shape] if "shapes" in head else []), f"{100 * row.seconds / whole:.1f} %",
                          _time(row.seconds), str(row.calls), _time(row.average), f"{si(row.bytes)}B", rate,
                          idle))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = ["  ".join(c.ljust(w) if i < texts else c.rjust(w)
                          for i, (c, w) in enumerate(zip(line, widths))).rstrip() for line in lines]
        rule = "-" * max(map(len, text))
        kernels = sum(row.seconds for row in self)
        more = [f"and {len(left_out)} more, {_time(sum(row.seconds for row in left_out))}"][:len(left_out)]
        rest = max(0.0, self.seconds - kernels)
        end = (f"kernels {_time(kernels)} of {_time(self.seconds)} ({100 * kernels / whole:.0f} %); "
               f"Python and the rest {_time(rest)}; {self.threads} thread{'s' if self.threads > 1 else ''}")
        return "\n".join([text[0], rule, *text[1:], *more, rule, end])

    def __repr__(self) -> str:
        return self.table()


def si(value: float) -> str:
    """A number with the prefix of its size.

    >>> si(1234567), si(12)
    ('1.2 M', '12 ')
    """
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {prefix}"
    return f"{value:.0f} "


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= factor:
            return f"{seconds / factor:.3f} {unit}"
    return f"{seconds * 1e6:.1f} us"
