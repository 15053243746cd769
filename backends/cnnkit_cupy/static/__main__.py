"""``python -m cnnkit_cupy.static``: compile every kernel for every architecture; fail on warnings, spills,
and where something is worse than docs/gpu.md says.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cnnkit_cupy.static import page, times
from cnnkit_cupy.static.compiling import Usage, compile_module, faults, table, version
from cnnkit_cupy.static.occupancy import LIMITS


def main(
    arch: Annotated[str, typer.Option(help="Compile for these only, for example sm_75,sm_90.")] = "",
    write: Annotated[Path | None,
                     typer.Option(help="The page to bring up to date, for example docs/gpu.md.")] = None,
    check: Annotated[Path | None,
                     typer.Option(help="The page to compare with: fail where something is worse.")] = None,
) -> None:
    """Compile every CUDA kernel for every architecture, without a GPU, and report what each uses.

    Then predict how long training steps should take (`cnnkit_cupy.static.times`), where all is compiled.
    """
    requested = [name.strip().removeprefix("sm_") for name in arch.split(",") if name.strip()]
    archs = tuple(sorted(map(int, requested))) if all(map(str.isdecimal, requested)) else (0,)
    archs = archs or tuple(LIMITS)
    if not set(archs) <= set(LIMITS):
        raise typer.BadParameter(f"--arch {arch}: there are {', '.join(f'sm_{n}' for n in LIMITS)}")
    if write and archs != tuple(LIMITS):
        raise typer.BadParameter("--write needs every architecture: leave --arch out")
    usage_by_name: dict[str, dict[int, Usage]] = {}
    all_faults: list[str] = []
    tasks = list(product(sorted({kernel.module for kernel in table().values()}), archs))
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for (_, n), (usages, module_faults) in zip(tasks, processes.map(_compiled, *zip(*tasks))):
            all_faults += module_faults
            for name, usage in usages.items():
                usage_by_name.setdefault(name, {})[n] = usage

    columns = page.headings(archs)
    console_table = Table(
        *columns, title=f"NVRTC {version()}; for each architecture: registers, blocks, occupancy")
    for name, by_arch in usage_by_name.items():
        console_table.add_row(*page.row(name, table()[name], by_arch, archs))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(console_table)
    if check:
        all_faults += worse_than(check.read_text(encoding="utf-8"),
                                 page.report(table(), usage_by_name, archs, version()))
    for fault in all_faults:
        console.print(fault, style="red", markup=False, highlight=False)
    if write and all(" spills " in fault for fault in all_faults):  # which the page shows
        text = page.replaced(write.read_text(encoding="utf-8"), "kernels", page.listing(table()))
        report = page.report(table(), usage_by_name, archs, version())
        text = page.replaced(text, "report", report)
        text = page.replaced(text, "times", times.report(times.every_step(page.reported(report))))
        write.write_text(text, encoding="utf-8")
    if all_faults:
        raise typer.Exit(1)
    console.print(f"{len(usage_by_name)} instances compiled for {', '.join(f'sm_{n}' for n in archs)}: "
                  "no warning, no spill")


def worse_than(text: str, report: str) -> list[str]:
    """What is worse than a page says: of the compiler's report, and of the predicted steps of one GPU."""
    committed = page.section(text, "report")
    worse = page.regressions(committed, report)
    steps = times.every_step(page.reported(committed), gpus=("A100",))
    return worse + times.regressions(page.section(text, "times"), steps)


def _compiled(module: str, arch: int) -> tuple[dict[str, Usage], list[str]]:
    """One file for one architecture: what its instances use, and what is wrong."""
    try:
        compiled = compile_module(module, arch)
    except RuntimeError as error:
        return {}, [str(error)]
    return compiled.usage, faults(module, arch, compiled)


if __name__ == "__main__":
    typer.run(main)
