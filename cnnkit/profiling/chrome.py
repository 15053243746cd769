"""Chrome's trace format: events with a beginning and a duration, which Perfetto shows on a time line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from cnnkit.inspection.timing import Event, Span

__all__ = ["chrome_trace"]

MODULES, KERNELS = 1, 2  # the two rows


def chrome_trace(events: Sequence[Event], spans: Sequence[Span], memory: Iterable[tuple[float, int]],
                 seconds: float) -> dict[str, Any]:
    """Modules' calls in one row, kernels' in another, and the memory as a counter; times in microseconds.

    A kernel may run when its module's call has ended: fused ones wait for the next op.
    """
    process = os.getpid()
    rows: list[dict[str, Any]] = [
        {"name": "thread_name", "ph": "M", "pid": process, "tid": tid, "args": {"name": name}}
        for tid, name in ((MODULES, "modules"), (KERNELS, "kernels"))]
    rows.append({"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": "cnnkit"}})
    rows += [{"name": span.layer or "model", "cat": "module", "ph": "X", "ts": 1e6 * span.start,
              "dur": 1e6 * span.seconds, "pid": process, "tid": MODULES} for span in spans]
    for event in events:
        details = {"layer": event.layer, "kernel": f"{event.table}: {event.kernel}", "shapes": event.shape,
                   "bytes": event.bytes}
        if event.flops is not None:
            details["FLOPs"] = event.flops
        if event.idle is not None:
            details["idle (us)"] = 1e6 * event.idle
        rows.append({"name": event.name, "cat": event.phase, "ph": "X", "ts": 1e6 * event.start,
                     "dur": 1e6 * event.seconds, "pid": process, "tid": KERNELS, "args": details})
    rows += [{"name": "arrays", "ph": "C", "ts": 1e6 * when, "pid": process, "tid": 0,
              "args": {"bytes": size}} for when, size in memory if when <= seconds]
    return {"traceEvents": rows, "displayTimeUnit": "ms"}
