"""How far three training steps raise a process's peak memory above its peak after the set-up.

    python -m peers.peak_memory cnnkit W2 1024

The arguments are a contender (see ``python -m peers --help``), a network and a batch; one process measures
one contender.
"""

from __future__ import annotations

import os
import resource
import sys

from peers.contender import maker


def peak() -> float:
    """The process's peak memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(contender: str, net: str, batch: str) -> None:
    """Print the peak before the steps, and how far they raise it."""
    os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
    step = maker(contender)({"kind": "train", "net": net, "batch": int(batch), "opt": "sgd"})
    before = peak()
    for _ in range(3):
        step()
    print(f"{contender} {net} batch {batch}: {peak() - before:.0f} MiB above {before:.0f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
