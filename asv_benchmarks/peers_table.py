"""The table of docs/benchmarks.md from what `peers.py --json` wrote, one file a run.

    python asv_benchmarks/peers_table.py run1.json run2.json run3.json

A ratio is the median over a run's rounds of how much longer the peer took, and then the median over the runs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

OURS, BASE, TENSORFLOW = "peers_cnnkit", "torch_cl", "tf_peer"
# layouts and optimizers that PyTorch's users can choose
FORMS = (BASE, "torch", "torch_fused", "torch_cl_fused")

Turns = dict[str, list[float]]  # seconds of each round, by contender


def ratio(turns: Turns, peer: str) -> float | None:
    """How many times as fast as a peer we are in one run."""
    return median(theirs / ours for theirs, ours in zip(turns[peer], turns[OURS])) if peer in turns else None


def fastest(turns: Turns) -> float | None:
    """The same beside whichever of PyTorch's forms was the fastest in that run."""
    forms = [form for form in FORMS if form in turns]
    return ratio(turns, min(forms, key=lambda form: median(turns[form]))) if len(forms) > 1 else None


def over_runs(runs: list[Turns], of: Callable[[Turns], float | None]) -> str:
    """The median over the runs, and their range."""
    found = sorted(value for turns in runs if (value := of(turns)) is not None)
    return f"{median(found):.2f} ({found[0]:.2f}-{found[-1]:.2f})" if found else "-"


def main(files: list[str]) -> None:
    """Print the table, in Markdown."""
    raw: list[dict[str, Turns]] = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    print("| case | PyTorch, channels last | cnnkit | ratio | to PyTorch's fastest form | to TensorFlow |")
    print("|---|---|---|---|---|---|")
    for case in raw[0]:
        runs = [run[case] for run in raw]
        batch = re.search(r"[/-]b(\d+)$", case)
        speeds = []
        for name in (BASE, OURS):
            seconds = median(median(turns[name]) for turns in runs)
            speeds.append(f"{int(batch[1]) / seconds:,.0f} images/s" if batch else f"{seconds * 1e6:,.0f} us")
        print(f"| {case} | {speeds[0]} | {speeds[1]} | {over_runs(runs, lambda turns: ratio(turns, BASE))} | "
              f"{over_runs(runs, fastest)} | {over_runs(runs, lambda turns: ratio(turns, TENSORFLOW))} |")


if __name__ == "__main__":
    main(sys.argv[1:])
