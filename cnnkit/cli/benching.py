"""``cnnkit bench``: how many images a second this machine trains on and infers, per backend."""

from __future__ import annotations

import itertools
import json
import math
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

# backends made to find mistakes, not for speed: measured only where --backend names them
SLOW = ("emulator", "array-api-strict")
NETWORKS = {"guide": ((1, 28, 28), [(8, 3)], ()), "common": ((3, 32, 32), [(8, 3), (16, 3)], (128,))}
TURN = 0.02  # the least seconds of one measurement: short steps are timed several at once
LEAST = 3  # the least number of rounds, even if they take longer than --seconds


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
    roofline: Annotated[bool, typer.Option("--roofline", help="Measure instead what this machine can do at "
                                           "most, and each kernel's share of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the guide's two networks on this machine: images per second of training and inference."""
    import cnnkit
    from cnnkit import conformance

    statuses = conformance.names()
    skipped = {} if backend else {name: reason for name, reason in statuses.items()
                                  if reason is not True and name not in SLOW}
    for name in backend or ():
        if statuses.get(name) is not True:
            raise ValueError(f"--backend {name}: {statuses.get(name, 'there is no such backend')}; there are "
                             f"{', '.join(n for n, status in statuses.items() if status is True)}")
    usual = [name for name, status in statuses.items()
             if status is True and name not in SLOW and name != "numpy-readonly"]
    selected = list(dict.fromkeys(backend or usual))
    if roofline:
        _print_rooflines(selected, batch_size or [32], as_json)
        return
    figures, failed = measure(selected, batch_size or [32, 128], seconds)
    machine = {"machine": platform.machine(), "system": platform.platform(),
               "python": platform.python_version(), "cnnkit": cnnkit.__version__,
               "threads": cnnkit.get_num_threads()}
    if as_json:
        print(json.dumps({**machine, "figures": [figure.as_dict() for figure in figures], "skipped": skipped,
                          "failed": failed}, indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("network", "mode", "batch", "backend"):
            table.add_column(heading)
        for heading in ("images/s", "quartiles", "rounds"):
            table.add_column(heading, justify="right")
        for figure in sorted(figures, key=lambda f: (f.network, f.mode, f.batch)):
            row = figure.as_dict()
            table.add_row(row["network"], row["mode"], str(row["batch"]), row["backend"],
                          f"{row['images_per_second']:,.0f}", f"{row['low']:,.0f} - {row['high']:,.0f}",
                          str(row["rounds"]))
        screen().print(table)
        for name, reason in skipped.items():
            screen().print(f"{name}: not measured ({reason})")
    for name, reason in failed.items():
        error_screen().print(f"cnnkit: {name} could not be measured: {reason}")
    if failed:
        raise typer.Exit(1)


def _print_rooflines(selected: Sequence[str], batch_sizes: Sequence[int], as_json: bool) -> None:
    """What the machine can do, by backend, and the share of it that each kernel of a training step takes."""
    import cnnkit
    from cnnkit.inspection import roofline

    reports: list[dict[str, Any]] = []
    for name in selected:
        with cnnkit.use(name):
            peak = roofline()
            report = {"backend": name, **asdict(peak), "calls": []}
            table = Table(box=None, pad_edge=False)
            for heading in ("network", "batch", "way", "layer", "ops"):
                table.add_column(heading)
            for heading in ("ms", "GFLOP/s", "GB/s", "share"):
                table.add_column(heading, justify="right")
            for network, batch in itertools.product(NETWORKS, dict.fromkeys(batch_sizes)):
                model, x, _ = _network(network, batch)
                for row in cnnkit.explain(model, x, backward=True, analyze=True).rows:
                    report["calls"].append({"network": network, "batch": batch, **asdict(row)})
                    seconds = row.seconds or math.inf
                    table.add_row(network, str(batch), "back" if row.backward else "forward", row.layer,
                                  "+".join(row.ops), f"{1e3 * seconds:.3f}",
                                  f"{row.flops / seconds / 1e9:.1f}" if row.flops else "-",
                                  f"{row.bytes / seconds / 1e9:.1f}" if row.bytes else "-",
                                  "-" if row.share is None else f"{100 * row.share:.0f} %")
        reports.append(report)
        if not as_json:
            screen().print(f"{name}: {peak}", soft_wrap=True)
            screen().print(table)
    if as_json:
        print(json.dumps(reports, indent=2))


def measure(backends: Sequence[str], batch_sizes: Sequence[int],
            seconds: float) -> tuple[list[Figure], dict[str, str]]:
    """Time all backends in turns, so that a machine that is slow for a while slows all of them alike.

    Returns
    -------
    figures : list of Figure
    failed : dict of str to str
        Backends whose first step raised -> the error's message.
    """
    import cnnkit

    end, rounds = time.perf_counter() + seconds, 0
    figures: list[tuple[Figure, Callable[[], None], int]] = []
    failed: dict[str, str] = {}
    for name in backends:
        timed = []
        try:
            with cnnkit.use(name):
                for network, batch in itertools.product(NETWORKS, dict.fromkeys(batch_sizes)):
                    for mode, step in _steps(network, batch).items():
                        step()  # the first step also makes plans, compiles kernels and allocates memory
                        start = time.perf_counter()
                        step()
                        steps = max(1, round(TURN / max(time.perf_counter() - start, 1e-6)))
                        timed.append((Figure(name, network, mode, batch), step, steps))
        except Exception as error:  # one library's mistake must not cost the others' figures
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        figures += timed
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
    from cnnkit import backends, no_grad, optim
    from cnnkit import functional as F

    current = backends.current()
    model, x, y = _network(network, batch)
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def training() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        current.synchronize()

    def inference() -> None:
        with no_grad():
            model(x)
        current.synchronize()
    return {"training": training, "inference": inference}


def _network(network: str, batch: int) -> tuple[Any, Any, Any]:
    """A fresh network, images and labels."""
    from cnnkit import Tensor, backends, models, random

    current = backends.current()
    shape, conv, hidden = NETWORKS[network]
    random.seed(0)
    return (models.CNN(shape, conv=conv, hidden=hidden),
            Tensor(random.normal(random.key(1), (batch, *shape), backend=current)),
            Tensor(current.asarray(random.randint(random.key(2), batch, 0, 10), "int64")))
