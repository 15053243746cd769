"""The table of docs/benchmarks.md, from the files that ``python -m peers --json`` wrote, one for each run.

    python -m peers.table run1.json run2.json run3.json

A ratio is the peer's time over cnnkit's: the median over a run's rounds, then the median over the runs. Below
the table stand the machine and how many turns were disturbed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from peers.turns import DISTURBED

OURS, BASE, TENSORFLOW = "cnnkit", "torch_cl", "tensorflow"
# layouts and optimizers that PyTorch's users can choose
FORMS = (BASE, "torch", "torch_fused", "torch_cl_fused")

Turns = dict[str, list[float]]  # seconds of each round, by contender


def ratio(turns: Turns, peer: str) -> float | None:
    """How many times as fast as a peer cnnkit is in one run; ``None`` where the peer did not run."""
    if peer not in turns:
        return None
    return median(theirs / ours for theirs, ours in zip(turns[peer], turns[OURS]))


def fastest(turns: Turns) -> float | None:
    """The ratio to the fastest of PyTorch's forms in that run; ``None`` where only one form ran."""
    forms = [form for form in FORMS if form in turns]
    return ratio(turns, min(forms, key=lambda form: median(turns[form]))) if len(forms) > 1 else None


def over_runs(runs: list[Turns], measure: Callable[[Turns], float | None]) -> str:
    """The median over the runs, and their range."""
    values = sorted(value for turns in runs if (value := measure(turns)) is not None)
    return f"{median(values):.2f} ({values[0]:.2f}-{values[-1]:.2f})" if values else "-"


def main(files: list[str]) -> None:
    """Print the table, in Markdown."""
    read = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    raw: list[dict[str, Turns]] = [{case: {name: turns["seconds"] for name, turns in contenders.items()}
                                    for case, contenders in run["cases"].items()} for run in read]
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
    shares = [share for run in read for contenders in run["cases"].values() for turns in contenders.values()
              for share in turns["others"]]
    machines = {f"{run['machine']['processor']}, {run['machine']['instruction set']}, "
                f"{run['machine']['threads']} threads" for run in read}
    print(f"\n{'; '.join(sorted(machines))}; {sum(share >= DISTURBED for share in shares)} of {len(shares)} "
          "turns were disturbed by others")


if __name__ == "__main__":
    main(sys.argv[1:])
