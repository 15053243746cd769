"""One contender in a process of its own: it sets a case up and takes its turns when it is told to.

The libraries' thread pools must not spin against each other, so none shares a process with another. Requests
and answers are lines of JSON on the standard streams.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["CONTENDERS", "serve"]

CONTENDERS = {  # name -> module and function
    "cnnkit": "peers.cnnkit_peer:make", "cnnkit_captured": "peers.cnnkit_peer:captured",
    "torch": "peers.torch_peer:make", "torch_cl": "peers.torch_peer:channels_last",
    "torch_fused": "peers.torch_peer:fused", "torch_cl_fused": "peers.torch_peer:channels_last_fused",
    "torch_compile": "peers.torch_peer:compiled",
    "jax": "peers.jax_peer:make",
    "onnxruntime": "peers.onnxruntime_peer:make",
    "openvino": "peers.openvino_peer:make",
    "tensorflow": "peers.tensorflow_peer:make", "tensorflow_xla": "peers.tensorflow_peer:compiled"}
SLOW = 0.5  # seconds: a step that takes longer is tried once, not three times, before the turns

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}

Step = Callable[[], Any]
Clock = Callable[[], float]


def serve(name: str) -> None:
    """Answer requests until the standard input ends."""
    make, step, steps, clock = maker(name), None, 1, time.perf_counter
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to standard error
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "set up":
                step = None  # frees the last case's memory first
                step = make(request["case"])
                clock = CLOCKS[request.get("clock", "wall")]
                steps = _steps(step, request["seconds"], clock) if step else 1
                answer = {"ok": step is not None}
            else:
                answer = _turn(step, steps, clock)
        except Exception as error:  # a contender that fails is reported, and the others go on
            step, answer = None, {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def maker(name: str) -> Callable[[dict[str, Any]], Step | None]:
    """The function that makes a case's step: of a name, or of ``FILE.py#FUNCTION`` (by default ``make``)."""
    if name in CONTENDERS:
        module, _, function = CONTENDERS[name].partition(":")
        return getattr(importlib.import_module(module), function)
    path, _, function = name.partition("#")
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location("plug", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"there is no contender {name!r}: give one of {', '.join(CONTENDERS)}, or a file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function or "make")


def _steps(step: Step, seconds: float, clock: Clock) -> int:
    """How many steps fill a turn of so many seconds."""
    first = _timed(step, clock)
    return max(1, int(seconds / min(_timed(step, clock) for _ in range(1 if first > SLOW else 3))))


def _timed(step: Step, clock: Clock) -> float:
    start = clock()
    step()
    return clock() - start


def _turn(step: Step, steps: int, clock: Clock) -> dict[str, Any]:
    """Seconds of a step, and how many processors others used meanwhile."""
    if steps > 1:
        step()  # the others have cooled the caches
    everybody, mine, start, ticks = machine_seconds(), own_seconds(), time.perf_counter(), clock()
    for _ in range(steps):
        step()
    ticks, seconds = clock() - ticks, time.perf_counter() - start
    others = (machine_seconds() - everybody) - (own_seconds() - mine)
    return {"ok": True, "seconds": ticks / steps, "others": max(0.0, others) / seconds}


def machine_seconds() -> float:
    """Processor seconds that everybody on this machine has used; 0 where there is no /proc/stat."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return sum(int(fields[i]) for i in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Processor seconds that this process has used."""
    times = os.times()
    return times.user + times.system
