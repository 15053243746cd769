"""``python -m cnnkit_cpu.calibrate``: the constants that choose algorithms, measured beside those shipped."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

import cnnkit
from cnnkit_cpu import library
from cnnkit_cpu.calibrate import page
from cnnkit_cpu.calibrate.constants import MEASUREMENTS, Constants, Measurer, shipped
from cnnkit_cpu.calibrate.rounds import DisturbedError, Rounds


def main(
    isa: Annotated[str | None, typer.Option(help="The instruction set, for example avx2.")] = None,
    threads: Annotated[int | None, typer.Option(help="How many threads; else what kernels take.")] = None,
    rounds: Annotated[int, typer.Option(help="How often to time each call.", min=1)] = 15,
    slack: Annotated[float, typer.Option(help="How many times as long the same work may take.", min=1)] = 1.1,
    only: Annotated[list[str] | None, typer.Option(help="A constant's name; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny shapes, whose figures mean nothing.")] = False,
) -> None:
    """Measure the constants of cnnkit_cpu.choice here; ends with 1 where the machine was disturbed."""
    if (reason := library.available()) is not True:
        raise typer.BadParameter(f"there are no C++ kernels to measure: {reason}")
    if unknown := [name for name in only or () if name not in MEASUREMENTS]:
        raise typer.BadParameter(f"--only {unknown[0]}: there are {', '.join(MEASUREMENTS)}")
    count = library.threads
    try:
        library.force(isa)
        if threads is not None:
            cnnkit.set_num_threads(threads)
        timing = Rounds(min(rounds, 3), 1e-4, slack=slack) if quick else Rounds(rounds, slack=slack)
        measurer = Measurer(timing, quick)
        machine = "; ".join([processor(), str(library.isa()), f"threads: {library.threads}",
                             f"rounds: {timing.count}", *["quick, so the figures mean nothing"] * quick])
        with cnnkit.use("cpu"):
            rows, reasons = measured(measurer, only or list(MEASUREMENTS))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    finally:
        library.force(None)
        cnnkit.set_num_threads(count)
    typer.echo(page.table(machine, rows))
    for reason in reasons:
        typer.echo(f"thrown away: {reason}. Measure again when nothing else runs.", err=True)
    if reasons:
        raise typer.Exit(1)


def measured(measurer: Measurer, names: Sequence[str]) -> tuple[list[page.Row], list[str]]:
    """A row for each value of the named constants, and what was thrown away."""
    by_measurement: dict[Callable, Constants | str] = {}
    rows, reasons = [], []
    for name in names:
        measure = MEASUREMENTS[name]
        if measure not in by_measurement:
            try:
                by_measurement[measure] = measure(measurer)
            except DisturbedError as error:
                by_measurement[measure] = page.DISTURBED
                reasons.append(f"{name}: {error}")
        constants = by_measurement[measure]
        for key, value in shipped(name).items():
            figure = constants if isinstance(constants, str) else constants[key]
            rows.append(page.Row(key, value, page.NONE if figure is None else figure))
    return rows, reasons


def processor() -> str:
    """The processor's name, as the operating system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    typer.run(main)
