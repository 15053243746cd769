"""``python -m cnnkit_cupy.static``: compile every instance for every architecture, report, and fail on any
warning or spill.
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

from cnnkit_cupy.static import page
from cnnkit_cupy.static.compiling import Usage, compile_module, faults, table, version
from cnnkit_cupy.static.occupancy import LIMITS


def main(
    arch: Annotated[str, typer.Option(help="Compile for these only, for example sm_75,sm_90.")] = "",
    write: Annotated[Path | None,
                     typer.Option(help="The page to bring up to date, for example docs/gpu.md.")] = None,
) -> None:
    """Compile every CUDA kernel for every architecture, without a GPU, and report what each uses."""
    named = [name.strip().removeprefix("sm_") for name in arch.split(",") if name.strip()]
    archs = tuple(sorted(map(int, named))) if all(map(str.isdecimal, named)) else (0,)
    archs = archs or tuple(LIMITS)
    if not set(archs) <= set(LIMITS):
        raise typer.BadParameter(f"--arch {arch}: there are {', '.join(f'sm_{n}' for n in LIMITS)}")
    if write and archs != tuple(LIMITS):
        raise typer.BadParameter("--write needs every architecture: leave --arch out")
    used: dict[str, dict[int, Usage]] = {}
    found: list[str] = []
    tasks = list(product(sorted({kernel.module for kernel in table().values()}), archs))
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for (_, n), (usages, wrong) in zip(tasks, processes.map(_compiled, *zip(*tasks))):
            found += wrong
            for name, usage in usages.items():
                used.setdefault(name, {})[n] = usage

    columns = page.headings(archs)
    printed = Table(*columns, title=f"NVRTC {version()}; for each architecture: registers, blocks, occupancy")
    for name, by_arch in used.items():
        printed.add_row(*page.row(name, table()[name], by_arch, archs))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(printed)
    for fault in found:
        console.print(fault, style="red", markup=False, highlight=False)
    if found:
        raise typer.Exit(1)
    console.print(f"{len(used)} instances compiled for {', '.join(f'sm_{n}' for n in archs)}: "
                  "no warning, no spill")
    if write:
        text = page.replaced(write.read_text(encoding="utf-8"), "kernels", page.listing(table()))
        text = page.replaced(text, "report", page.report(table(), used, archs, version()))
        write.write_text(text, encoding="utf-8")


def _compiled(module: str, arch: int) -> tuple[dict[str, Usage], list[str]]:
    """One file for one architecture: what its instances use, and what is wrong."""
    try:
        compiled = compile_module(module, arch)
    except RuntimeError as error:
        return {}, [str(error)]
    return compiled.usage, faults(module, arch, compiled)


if __name__ == "__main__":
    typer.run(main)
