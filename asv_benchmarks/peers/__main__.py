"""Training steps, inference and single ops of cnnkit beside those of other libraries, in turns.

    cd asv_benchmarks
    python -m peers --cases W1,W2
    python -m peers --contenders torch_cl,torch,jax,cnnkit --python jax=/path/to/python --json run1.json
    python -m peers --list

Contenders are torch (its usual layout), torch_cl (channels last), torch_fused, torch_cl_fused (the fused
optimizer), torch_compile, jax, tensorflow, tensorflow_xla, onnxruntime and openvino (inference only, of the
file that cnnkit exports), cnnkit, cnnkit_captured (a training step under `cnnkit.capture`, as `train.fit`
runs it), or a file that defines ``make(case)``, which returns a callable that does one step, or ``None``
where it does not support the case. Ratios are to the first contender.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from statistics import median
from typing import Any

from peers.cases import GOALS, cases, flops
from peers.contender import serve
from peers.machine import describe
from peers.turns import DISTURBED, Contender, Turns, take_turns

BASE = "torch_cl"  # what the goals are a ratio to
QUIET = 0.05  # the largest share of disturbed turns with which there is a verdict on a goal


def figure(case: dict[str, Any], turns: Turns) -> str:
    """A contender's speed at a case."""
    seconds = median(turns.seconds)
    if case["kind"] in ("train", "infer"):
        return f"{case['batch'] / seconds:,.0f} images/s"
    speed = f" ({flops(case) / seconds / 1e9:.0f} GFLOP/s)" if case["kind"] == "conv" else ""
    return f"{seconds * 1e6:,.0f} us{speed}"


def verdict(name: str, turns: dict[str, Turns], optimizer: str) -> str:
    """Whether cnnkit's goal at a case was reached; not where the turns were disturbed."""
    if name not in GOALS or optimizer != "sgd" or not {BASE, "cnnkit"} <= {*turns}:
        return ""
    both = [turns[BASE], turns["cnnkit"]]
    disturbed, total = sum(t.disturbed for t in both), sum(len(t.seconds) for t in both)
    if disturbed > QUIET * total:
        return f"goal {GOALS[name]:g}: no verdict, {disturbed} of {total} turns were disturbed"
    ratio = turns["cnnkit"].ratio(turns[BASE])
    return f"goal {GOALS[name]:g}: {'reached' if ratio >= GOALS[name] else 'missed'}"


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m peers",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default=f"{BASE},torch,cnnkit")
    parser.add_argument("--cases", default="", help="beginnings of the cases' names, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--retries", type=int, default=5, help="how often a disturbed turn is taken again")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--clock", default="wall", choices=["wall", "processor"],
                        help="processor: the time that the process's threads compute, for machines that "
                             "others use too; with --threads 1 --retries 0")
    parser.add_argument("--opt", default="sgd", choices=["sgd", "adam"])
    parser.add_argument("--python", action="append", default=[], metavar="CONTENDER=PATH",
                        help="another Python for a contender")
    parser.add_argument("--json", metavar="FILE", help="write every turn here, for `python -m peers.table`")
    parser.add_argument("--list", action="store_true", help="only the cases' names")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        serve(arguments.contender)
        return
    chosen = {name: case for name, case in cases(arguments.opt).items()
              if name.startswith(tuple(arguments.cases.split(",")))}
    if arguments.list:
        print("\n".join(chosen))
        return
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    contenders = [Contender(name, arguments.threads, pythons.get(name, sys.executable))
                  for name in arguments.contenders.split(",")]
    machine = describe(arguments.threads)
    print(f"# {machine['processor']}, {machine['instruction set']}, {machine['threads']} threads, "
          f"{arguments.clock} clock; {arguments.rounds} rounds; "
          f"in brackets the ratio of speeds to {contenders[0].name}")
    raw: dict[str, dict[str, Turns]] = {}
    for name, case in chosen.items():
        turns, errors = take_turns(contenders, case, arguments.rounds, arguments.retries, arguments.seconds,
                                   arguments.clock)
        for contender, error in errors.items():
            print(f"# {contender} on {name}: {error}", file=sys.stderr)
        raw[name] = turns
        base = turns.get(contenders[0].name)
        cells = [f"{contender.name} {figure(case, turns[contender.name])}"
                 + (f" ({turns[contender.name].ratio(base):.2f})" if base is not None else "")
                 for contender in contenders if contender.name in turns]
        print("; ".join([f"{name:36s} {cells[0] if cells else 'nobody supports it'}", *cells[1:],
                         *filter(None, [verdict(name, turns, arguments.opt)])]), flush=True)
    everything = [times for turns in raw.values() for times in turns.values()]
    print(f"# turns in which others used {DISTURBED:.0%} of a processor or more, taken again "
          f"{arguments.retries} times: {sum(times.disturbed for times in everything)} "
          f"of {sum(len(times.seconds) for times in everything)}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "cases": {
                name: {contender: {"seconds": times.seconds, "others": times.others}
                       for contender, times in turns.items()} for name, turns in raw.items()}}, file)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
