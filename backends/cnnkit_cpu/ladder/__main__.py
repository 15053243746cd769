"""``python -m cnnkit_cpu.ladder``: build every step, check it against the naive loop, time all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from cnnkit_cpu import conv, library
from cnnkit_cpu.ladder import building
from cnnkit_cpu.ladder.measuring import CALLS, SHAPES, Shape, WrongNumbers, compare, medians

FOLDER = Path(__file__).parent
SHIPPED = "cnnkit_cpu"
COLUMNS = ("step", "microseconds", "speed-up over the step before", "over step 1", "largest difference")
NO_COMPILER = ("python -m cnnkit_cpu.ladder needs a C++ compiler, and there is none: set CXX, or install one "
               "(Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; "
               "macOS: xcode-select --install)")


def shipped(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What the library itself computes for the ops conv, relu, max_pool in one."""
    y, _ = conv.conv2d_chain(x, weight, bias, needs=(False,) * 3, calls=CALLS)
    return y


@contextmanager
def serving(isa: str) -> Iterator[None]:
    """Inside the block the shipped kernels are those of one instruction set, on one thread."""
    previous = library.isa(), library.threads
    if previous[0]:
        library.force(isa)
    library.threads = 1
    try:
        yield
    finally:
        library.force(previous[0])
        library.threads = previous[1]


def rows(steps: dict[str, building.Step], shape: Shape, rounds: int) -> list[tuple[str, float, float]]:
    """Each step's name, seconds, and largest difference from the first one; the shipped kernel is the last.

    Raises
    ------
    WrongNumbers
        If a step's results are not those of the first.
    """
    arrays = shape.arrays()
    calls: dict[str, Callable] = {}
    differences: dict[str, float] = {}
    expected: np.ndarray | None = None
    for name, step in steps.items():
        y = shape.result()
        step(*arrays, y)
        expected = y if expected is None else expected
        differences[name] = compare(name, y, expected)
        calls[name] = partial(step, *arrays, shape.result())
    if library.available() is True and expected is not None:
        differences[SHIPPED] = compare(SHIPPED, shipped(*arrays), expected)
        calls[SHIPPED] = partial(shipped, *arrays)
    return [(name, seconds, differences[name]) for name, seconds in medians(calls, rounds).items()]


def table(title: str, measured: list[tuple[str, float, float]]) -> Table:
    """What was measured for one shape."""
    result = Table(*COLUMNS, title=title, title_justify="left")
    first = previous = measured[0][1]
    for name, seconds, difference in measured:
        result.add_row(name, f"{seconds * 1e6:.0f}", f"{previous / seconds:.2f}", f"{first / seconds:.2f}",
                       f"{difference:.1e}")
        previous = seconds
    return result


def main(
    rounds: Annotated[int, typer.Option(min=1, help="In each, every step has a turn.")] = 15,
    isa: Annotated[str, typer.Option(help="avx512, avx2 or generic; by default what serves here.")] = "",
    folder: Annotated[Path, typer.Option(help="Where the steps lie, such as a changed copy.")] = FOLDER,
) -> None:
    """Climb from seven loops to the shipped kernel: convolution 3x3, bias, ReLU, max pooling 2x2, forward."""
    command = building.compiler()
    if command is None:
        typer.echo(NO_COMPILER, err=True)
        raise typer.Exit(2)
    isa = isa or library.isa() or "generic"
    available = library.isas() or ("generic",)
    if isa not in available:
        raise typer.BadParameter(f"--isa {isa}: there are {', '.join(available)}")
    sources = sorted(folder.glob("[0-9]*.cpp"))
    if not sources:
        raise typer.BadParameter(f"--folder {folder}: there is no step such as 1_naive.cpp in it")
    console = Console()
    console = console if console.is_terminal else Console(width=110)
    console.print(f"{building.processor()}, {isa}, one thread; {building.version(command)}; "
                  f"medians of {rounds} rounds")
    try:
        with tempfile.TemporaryDirectory() as built, serving(isa):
            steps = {source.name: building.build(command, source, isa, Path(built)) for source in sources}
            for shape in SHAPES:
                console.print(table(str(shape), rows(steps, shape, rounds)))
    except (building.BuildError, WrongNumbers) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if library.available() is not True:
        console.print(f"The shipped kernels are not among them: {library.available()}")


if __name__ == "__main__":
    typer.run(main)
