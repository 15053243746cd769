"""``cnnkit bench``: how many images a second this machine trains on and infers, per backend."""

from __future__ import annotations

import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import typer
from rich.table import Table

from cnnkit.cli.screen import error_screen, screen

__all__ = ["Figure", "bench", "measure"]

# made to find mistakes, not for speed: measured only where they are named
SLOW = ("emulator", "array-api-strict")
NETWORKS = {"guide": ((1, 28, 28), [(8, 3)], ()), "common": ((3, 32, 32), [(8, 3), (16, 3)], (128,))}
TURN = 0.02  # seconds of one measurement, at least: so many steps are put together
LEAST = 3  # rounds, even where the time is over


@dataclass
class Figure:
    """One thing that is timed: images a second, once in each round."""

    backend: str
    network: str
    mode: str
    batch: int
    rates: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Median and quartiles, for JSON."""
        low, middle, high = statistics.quantiles(self.rates, n=4) if len(self.rates) > 1 else self.rates * 3
        rest = {name: value for name, value in asdict(self).items() if name != "rates"}
        return {**rest, "images_per_second": middle, "low": low, "high": high, "rounds": len(self.rates)}


def bench(
    backend: Annotated[list[str] | None,
                       typer.Option(help="Backend or kernel table; may be given several times.",
                                    show_default=f"all but {' and '.join(SLOW)}")] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="About how long to measure, in all.")] = 60.0,
    batch_size: Annotated[list[int] | None, typer.Option(min=1, help="Images a step; may be given "
                                                         "several times.", show_default="32 and 128")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the guide's two networks on this machine: training and inference, images per
    second, in turns.
    """
    import cnnkit
    from cnnkit import conformance

    known = conformance.names()
    skipped = {} if backend else {name: reason for name, reason in known.items()
                                  if reason is not True and name not in SLOW}
    for name in backend or ():
        if known.get(name) is not True:
            raise ValueError(f"--backend {name}: {known.get(name, 'there is no such backend')}; there are "
                             f"{', '.join(n for n, here in known.items() if here is True)}")
    chosen = list(dict.fromkeys(backend
                                or [name for name, here in known.items()
                                    if here is True and name not in SLOW and name != "numpy-readonly"]))
    figures, failed = measure(chosen, batch_size or [32, 128], seconds)
    machine = {"machine": platform.machine(),
               "system": platform.platform(), "python": platform.python_version(),
               "cnnkit": cnnkit.__version__, "threads": cnnkit.get_num_threads()}
    if as_json:
        print(json.dumps({**machine, "figures": [figure.as_dict() for figure in figures], "skipped": skipped,
                          "failed": failed}, indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("network", "mode", "batch", "backend"):
            table.add_column(heading)
        for heading in ("images/s", "quartiles", "rounds"):
            table.add_column(heading, justify="right")
        for row in (figure.as_dict()
                    for figure in sorted(figures, key=lambda f: (f.network, f.mode, f.batch))):
            table.add_row(row["network"], row["mode"], str(row["batch"]),
                          row["backend"], f"{row['images_per_second']:,.0f}",
                          f"{row['low']:,.0f} - {row['high']:,.0f}", str(row["rounds"]))
        screen().print(table)
        for name, reason in skipped.items():
            screen().print(f"{name}: not measured ({reason})")
    for name, reason in failed.items():
        error_screen().print(f"cnnkit: {name} could not be measured: {reason}")
    if failed:
        raise typer.Exit(1)


def measure(backends: Sequence[str], batch_sizes: Sequence[int],
            seconds: float) -> tuple[list[Figure], dict[str, str]]:
    """Time everything in turns, so that what slows the machine for a while slows all alike.

    Returns
    -------
    figures : list of Figure
    failed : dict of str to str
        Backends whose first step raised, and what it said.
    """
    import cnnkit

    end, rounds = time.perf_counter() + seconds, 0
    figures: list[tuple[Figure, Callable[[], None], int]] = []
    failed: dict[str, str] = {}
    for name in backends:
        made = []
        try:
            with cnnkit.use(name):
                for network, batch in itertools.product(NETWORKS, dict.fromkeys(batch_sizes)):
                    for mode, step in _steps(network, batch).items():
                        step()  # makes what is made once: plans, compiled kernels, memory
                        start = time.perf_counter()
                        step()
                        steps = max(1, round(TURN / max(time.perf_counter() - start, 1e-6)))
                        made.append((Figure(name, network, mode, batch), step, steps))
        except Exception as error:  # one library's mistake must not cost the others' figures
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        figures += made
    while figures and (rounds < LEAST or time.perf_counter() < end):
        for figure, step, steps in figures:
            with cnnkit.use(figure.backend):
                start = time.perf_counter()
                for _ in range(steps):
                    step()
                figure.rates.append(steps * figure.batch / (time.perf_counter() - start))
        rounds += 1
    return [figure for figure, _, _ in figures], failed


def _steps(network: str, batch: int) -> dict[str, Callable[[], None]]:
    """A training step and a forward pass of a network, which return when the device is done."""
    from cnnkit import Tensor, backends, models, no_grad, optim, random
    from cnnkit import functional as F

    here = backends.current()
    shape, conv, hidden = NETWORKS[network]
    random.seed(0)
    model = models.CNN(shape, conv=conv, hidden=hidden)
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    x = Tensor(random.normal(random.key(1), (batch, *shape), backend=here))
    y = Tensor(here.asarray(random.randint(random.key(2), batch, 0, 10), "int64"))

    def training() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        here.synchronize()

    def inference() -> None:
        with no_grad():
            model(x)
        here.synchronize()
    return {"training": training, "inference": inference}
