"""``python -m cnnkit_cupy.ladder``: check every step, and count what it moves; or time it on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cnnkit import backends
from cnnkit_cupy.benchmark.measuring import by_events
from cnnkit_cupy.contracts import device_of
from cnnkit_cupy.ladder.measuring import Count, Shape, WrongNumbers, check, counts, least
from cnnkit_cupy.ladder.steps import FILES, FOLDER, STEPS, declared

SHAPES = Shape(2, 1, 28, 28, 8), Shape(2, 3, 32, 32, 16)  # the guide's network, and CIFAR's images
COUNTED = ("step", "launches", "sectors read", "sectors written", "bank conflicts", "multiply-adds per load",
           "largest difference")
TIMED = ("step", "microseconds", "speed-up over the step before", "over step 1", "largest difference")


def counted(shape: Shape, by_step: Mapping[str, Count], differences: Mapping[str, float]) -> Table:
    """What the steps move for one shape."""
    read, written = least(shape)
    result = table(COUNTED, f"{shape}; at least {read} sectors read and {written} written")
    for name, count in by_step.items():
        conflicts = "–" if count.conflicts is None else f"{count.conflicts:.2f}"
        result.add_row(name, str(count.launches), str(count.read), str(count.written), conflicts,
                       f"{shape.products / 32 / count.loads:.2f}", f"{differences[name]:.1e}")
    return result


def timed(shape: Shape, seconds: Mapping[str, float], differences: Mapping[str, float]) -> Table:
    """How long the steps take for one shape."""
    result, first = table(TIMED, str(shape)), next(iter(seconds.values()))
    previous = first
    for name, time in seconds.items():
        result.add_row(name, f"{time * 1e6:.1f}", f"{previous / time:.2f}", f"{first / time:.1f}",
                       f"{differences[name]:.1e}")
        previous = time
    return result


def table(columns: Sequence[str], title: str) -> Table:
    """An empty table."""
    return Table(*columns, title=title, title_justify="left")


def times(backend: Any, shape: Shape, clock: Any) -> dict[str, float]:
    """Seconds of each step on the GPU."""
    arrays = [backend.asarray(array) for array in shape.arrays()]
    return {name: clock(partial(step, device_of(backend), *arrays)) for name, step in STEPS.items()}


def main(
    backend: Annotated[str, typer.Option(help="emulator: they are counted; cupy: timed.")] = "emulator",
    batch: Annotated[int, typer.Option(min=1, help="Images of a timed call.")] = 128,
    folder: Annotated[Path, typer.Option(help="Where the steps lie, such as a changed copy.")] = FOLDER,
) -> None:
    """Climb from a naive CUDA kernel to a fused one: convolution 3x3, bias, ReLU, max pooling 2x2."""
    if backend not in ("emulator", "cupy"):
        raise typer.BadParameter(f"--backend {backend}: there are emulator and cupy")
    try:
        chosen = backends.get(backend)
    except backends.Unavailable as reason:
        typer.echo(f"python -m cnnkit_cupy.ladder: {str(reason).split('. Available:')[0]}", err=True)
        raise typer.Exit(2) from None
    if missing := [name for name in FILES if not (folder / name).exists()]:
        raise typer.BadParameter(f"--folder {folder}: there is no {', '.join(missing)} in it")
    console = Console()
    console = console if console.is_terminal else Console(width=130)
    try:
        with backends.use(backend), declared(folder.resolve()):
            console.print(f"{chosen.device()}: {', '.join(STEPS)}")
            for shape in SHAPES:
                differences = check(chosen, shape)
                if backend == "emulator":
                    console.print(counted(shape, counts(chosen, shape), differences))
                else:
                    import cupy

                    larger = Shape(batch, shape.channels, shape.height, shape.width, shape.filters)
                    console.print(timed(larger, times(chosen, larger, by_events(cupy)), differences))
    except (WrongNumbers, RuntimeError) as error:  # wrong results; what the device says of a kernel
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
