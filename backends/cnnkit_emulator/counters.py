"""``python -m cnnkit_emulator.counters``: what each CUDA kernel would move on a GPU, over the minimum.

Every op that the emulator's kernel tables serve, a plug-in's table included, is run once, forward and
backward, on small channels-last arrays. ``--write docs/gpu.md`` puts the result on that page, between marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from cnnkit import conformance
from cnnkit.conformance import Draw, OpCase, Target
from cnnkit.conformance.checks.calling import call
from cnnkit.conformance.kernels import chain, keys, matches, written
from cnnkit.ops import OPS
from cnnkit_emulator.counting import Traffic
from cnnkit_emulator.device import counted

__all__ = ["COLUMNS", "launches", "regressions", "rows"]

X, Y = Draw((4, 16, 14, 14)), Draw((4, 32, 14, 14))
CONV: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2),
                        "padding": ((0, 0), (0, 0)), "ceil_mode": False}
AVERAGE: dict[str, Any] = {**POOL, "count_include_pad": True, "divisor_override": None}
LOSS: dict[str, Any] = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
WEIGHT, BIAS, CHANNELS = Draw((32, 16, 3, 3)), Draw((32,)), Draw((16,))
CASES = (
    OpCase("conv", "3x3", (X, WEIGHT, BIAS), CONV),
    OpCase("conv", "3x3, filters in C order", (X, WEIGHT, BIAS), CONV),
    OpCase("conv", "3x3, stride 2", (X, WEIGHT, BIAS), {**CONV, "stride": (2, 2)}),
    OpCase("conv", "16-bit 3x3", (Draw((4, 32, 14, 14)), Draw((64, 32, 3, 3)), Draw((64,))), CONV),
    OpCase("conv", "1x1", (X, Draw((32, 16, 1, 1)), BIAS), {**CONV, "padding": ((0, 0), (0, 0))}),
    OpCase("conv", "one channel", (Draw((4, 1, 28, 28)), Draw((8, 1, 3, 3)), Draw((8,))), CONV),
    OpCase("conv", "depthwise", (Y, Draw((32, 1, 3, 3)), BIAS), {**CONV, "groups": 32}),
    OpCase(("conv", "relu"), "3x3", (X, WEIGHT, BIAS), (CONV, {}), counts=(3, 0)),
    OpCase(("conv", "relu", "max_pool"), "one channel",
           (Draw((4, 1, 28, 28)), Draw((8, 1, 3, 3)), Draw((8,))),
           (CONV, {}, {**POOL, "dilation": (1, 1)}), counts=(3, 0, 0)),
    OpCase("max_pool", "2x2", (Y,), {**POOL, "dilation": (1, 1)}),
    OpCase("avg_pool", "2x2", (Y,), AVERAGE),
    OpCase("batch_norm", "training",
           (X, CHANNELS, CHANNELS, Draw((16,), grad=False), Draw((16,), "positive", grad=False)),
           {"training": True, "momentum": 0.1, "eps": 1e-5}),
    OpCase("cross_entropy", "mean", (Draw((256, 10)), Draw((256,), "labels", classes=10), None), LOSS),
    OpCase("take", "rows of 64", (Draw((100, 64)), Draw((256,), "labels", classes=100)), {"axis": 0}),
    OpCase("scatter_add", "many to a place", (Draw((256, 4)), Draw((256,), "labels", classes=4)),
           {"axis": 0, "size": 4}),
)
COLUMNS = ("kernel", "call", "sectors per load", "loads", "stores", "written",
           "shared loads", "shared stores")
MARKS = r"(<!-- generated: counters -->\n\n)(.*?)(\n\n<!-- end -->)"


def cases(target: Target) -> list[Any]:
    """The `CASES` whose kernels a table has; for its other ops, the kit's case with the largest inputs."""
    table_keys = keys(target.tables)
    chosen: list[Any] = [case for case in CASES if any(matches(key, case.kernel) for key in table_keys)]
    for key in table_keys:
        candidates = [case for case in conformance.EVERY_CASE if matches(key, case.kernel)]
        covered = any(matches(key, case.kernel) for case in chosen)
        if candidates and not covered and key != "max_pool_with_indices":
            chosen.append(max(candidates, key=_size))
    return chosen


def _size(case: Any) -> int:
    shapes = ([x.shape for x in getattr(case, "inputs", ()) if isinstance(x, Draw)]
              or [getattr(case, "shape", ())])
    return sum(int(np.prod(shape)) for shape in shapes)


def launches(case: Any, target: Target) -> list[Traffic]:
    """What a case's kernels move, forward and back, in the order in which they are launched."""
    with counted() as traffic:
        if not isinstance(case, OpCase):
            conformance.run_case(case, target)
            return traffic
        random, dtype = np.random.RandomState(0), "float16" if case.name.startswith("16-bit") else "float32"
        arrays = [target.channels_last(x.values(random, dtype)) if isinstance(x, Draw) else x
                  for x in case.inputs]
        if case.name.endswith("filters in C order"):  # as a model has them
            arrays[1] = target.asarray(target.to_numpy(arrays[1]))
        outputs, backward = call(case, target, arrays, case.needs)
        if backward is not None:
            backward(target.channels_last(np.ones(outputs[0].shape, dtype)))
    return traffic


def rows(target: Target, chosen: Iterable[Any]) -> Iterator[list[str]]:
    """One row of the report for each kernel that each case launches."""
    for case in chosen:
        by_kernel: dict[str, list[Traffic]] = {}
        for launched in launches(case, target):
            by_kernel.setdefault(launched.kernel, []).append(launched)
        for kernel, several in by_kernel.items():
            t = Traffic(kernel, sum(t.output_bytes for t in several),
                        tuple(site for t in several for site in t.sites))
            description = f"{written(case.kernel)}, {case.name.replace('-', ' ')}"
            yield [f"`{kernel}`", description, _formatted(t.sectors_per_request),
                   *(_formatted(ratio)
                     for ratio in (t.loads, t.stores, t.written, t.shared_loads, t.shared_stores))]


def regressions(page: str, report_rows: Iterable[list[str]]) -> list[str]:
    """Which ratios of these rows are larger than those on a page, by more than a hundredth, in words.

    A call that the page does not have is one too.
    """
    before = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(COLUMNS):
            before[tuple(cells[:2])] = cells[2:]
    worse = []
    for row in report_rows:
        then = before.get((row[0], row[1]))
        if then is None:
            worse.append(f"{row[0]}, {row[1]}: not on the page, which --write brings up to date")
            continue
        for column, was, now in zip(COLUMNS[2:], then, row[2:]):
            if now != "–" and (was == "–" or float(now) > float(was) + 0.01):
                worse.append(f"{row[0]}, {row[1]}: {column} {now}, and was {was}")
    return worse


def _formatted(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def main(
    op: Annotated[str, typer.Option(help="Only kernels of this op.")] = "",
    backend: Annotated[str, typer.Option(help="The emulator, or a kernel table over it.")] = "emulator",
    write: Annotated[Path | None,
                     typer.Option(help="The page to bring up to date, for example docs/gpu.md.")] = None,
    check: Annotated[Path | None,
                     typer.Option(help="The page to compare with: fail where a kernel moves more.")] = None,
) -> None:
    """Count what every CUDA kernel would move on a GPU."""
    if write and (op or backend != "emulator"):
        raise typer.BadParameter("--write needs every op of the emulator: leave --op and --backend out")
    try:
        target = Target(backend)
    except (ValueError, RuntimeError) as error:  # not known, or not available
        raise typer.BadParameter(f"--backend {backend}: {error}") from None
    if target.backend.name != "emulator":
        raise typer.BadParameter(f"--backend {backend} does not run on the emulator; "
                                 "name it, or a table of its kernels")
    with target.entered():
        chosen = [case for case in cases(target) if op in ("", *chain(case.kernel))]
        if not chosen:
            available = ", ".join(dict.fromkeys(written(case.kernel) for case in cases(target)))
            raise typer.BadParameter(f"--op {op}: {backend} has kernels for {available} "
                                     f"(of all ops: {len(OPS)})")
        report_rows = list(rows(target, chosen))
    console_table = Table(*COLUMNS, title="over the minimum: sectors of 32 bytes; bytes written; "
                          "passes over shared memory's banks")
    for row in report_rows:
        console_table.add_row(row[0].strip("`"), *row[1:])
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(console_table)
    if check:
        for line in (worse := regressions(check.read_text(encoding="utf-8"), report_rows)):
            console.print(line, style="red", markup=False, highlight=False)
        if worse:
            raise typer.Exit(1)
    if write:
        page = write.read_text(encoding="utf-8")
        if re.search(MARKS, page, re.DOTALL) is None:
            raise typer.BadParameter(f"{write} has no part '<!-- generated: counters -->' ... '<!-- end -->'")
        lines = (COLUMNS, ("---",) * len(COLUMNS), *report_rows)
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        write.write_text(re.sub(MARKS, lambda parts: parts[1] + table + parts[3], page, count=1,
                                flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
