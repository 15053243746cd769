"""By how much three training steps raise a process's peak memory above what it was after the set-up.

    python asv_benchmarks/peak_memory.py PLUG NET BATCH

PLUG is a file that defines ``make(case)``, as peers_cnnkit.py does (``FILE#name`` for another function); one
process measures one contender.
"""

from __future__ import annotations

import importlib.util
import resource
import sys
from pathlib import Path


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(plug: str, net: str, batch: str) -> None:
    """Print it."""
    path, _, name = plug.partition("#")
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location("plug", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    step = getattr(module, name or "make")({"kind": "train", "net": net, "batch": int(batch), "opt": "sgd"})
    before = peak()
    for _ in range(3):
        step()
    print(f"{plug} {net} batch {batch}: {peak() - before:.0f} MiB above {before:.0f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
