"""Judge the surface, and print what differs or write the page."""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

from cnnkit import nn
from parity import surface
from parity.samples import Tally, function_of, judge_function, judge_module

GOALS = {"nn.functional": 0.995, "Tensor functions": 0.97, "modules": 0.995}
LEFT_OUT_OF_FUNCTIONAL = {name for names in surface.OUT_OF_SCOPE.values() for name in names.split()}


def functions(only: set[str]) -> Iterator[tuple[str, str, Tally]]:
    """(kind, name, tally) of every function."""
    for op in op_db:
        functional = op.name.startswith("nn.functional.")
        wanted = op.name not in LEFT_OUT_OF_FUNCTIONAL if functional else op.name in surface.TENSOR
        dtype = next((d for d in (torch.float64, torch.int64, torch.bool) if d in op.dtypes), None)
        if not wanted or dtype is None or op.name in surface.LEFT_OUT or (only and op.name not in only):
            continue
        tally, function = Tally(), function_of(op.name)
        gradients = dtype.is_floating_point and op.supports_autograd
        for sample in op.sample_inputs("cpu", dtype, requires_grad=gradients):
            if function is None:
                tally.counts["failed"] += 1
                tally.faults.append("no such name")
            else:
                tally.run(judge_function, op.name, function, op, sample)
        variant = f" ({op.variant_test_name})" if op.variant_test_name else ""
        yield "nn.functional" if functional else "Tensor functions", op.name + variant, tally


def modules(only: set[str]) -> Iterator[tuple[str, str, Tally]]:
    """(kind, name, tally) of every module."""
    for info in module_db:
        name = info.module_cls.__name__
        if (not info.module_cls.__module__.startswith("torch.nn.modules") or (only and name not in only)
                or name in surface.MODULES_OUT_OF_SCOPE):
            continue
        tally = Tally()
        for training in (True, False) if info.train_and_eval_differ else (True,):
            for sample in info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True,
                                                  training=training):
                if sample.forward_input is not None and hasattr(nn, name):
                    tally.run(judge_module, name, sample, training)
                elif sample.forward_input is not None:
                    tally.counts["failed"] += 1
                    tally.faults.append("no such name")
        yield "modules", name, tally


def page(results: list[tuple[str, str, Tally]]) -> str:
    """The page, in Markdown."""
    lines = ["# What of PyTorch is here", "",
             "Made by `python -m parity --write ../docs/parity.md` in `tests`, with PyTorch "
             f"{torch.__version__.partition('+')[0]}:",
             "its own test samples of every name in `tests/parity/surface.py`, in float64: values, dtypes,",
             "shapes and gradients.", "", "| kind | names | samples | pass | share | goal |",
             "|---|---|---|---|---|---|"]
    for kind, goal in GOALS.items():
        tallies = [tally for k, _, tally in results if k == kind]
        judged, passed = sum(t.judged for t in tallies), sum(t.counts["passed"] for t in tallies)
        lines.append(f"| {kind} | {len(tallies)} | {judged} | {passed} | {passed / max(judged, 1):.2%} "
                     f"| {goal:.1%} |")
    lines += ["", "What differs, and why:", "", "| name | pass | samples | why |", "|---|---|---|---|"]
    for _, name, tally in results:
        if tally.counts["failed"]:
            reason = surface.REASONS.get(name.partition(" ")[0]) or tally.faults[0].replace("|", "\\|")[:110]
            lines.append(f"| `{name}` | {tally.counts['passed']} | {tally.judged} | {reason} |")
    lines += ["", "Not judged: recurrent and attention layers, sparse and complex Tensors, decompositions of "
              "matrices, Fourier", "transforms, and these functions:", ""]
    lines += [f"- {what}: {', '.join(f'`{name}`' for name in names.split())}"
              for what, names in surface.OUT_OF_SCOPE.items()]
    lines += ["", "Samples that are left out:", ""]
    lines += [f"- `{name}`: {why}" for name, why in surface.LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--write", metavar="FILE", help="write the page")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    only, results = set(options.names), []
    with contextlib.redirect_stdout(sys.stderr):
        for kind, name, tally in (*functions(only), *modules(only)):
            results.append((kind, name, tally))
            if tally.faults:
                print(f"{name}: {tally.counts['passed']} of {tally.judged}; {tally.faults[0]}")
    text = page(results)
    if options.write:
        Path(options.write).write_text(text, encoding="utf-8")
    else:
        print(text)
    missed = [kind for kind, goal in GOALS.items()
              if (judged := sum(t.judged for k, _, t in results if k == kind))
              and sum(t.counts["passed"] for k, _, t in results if k == kind) < goal * judged]
    return bool(options.check and missed)


if __name__ == "__main__":
    sys.exit(main())
