"""``python -m cnnkit_cupy.measure``: check, tune and time everything on the GPU at hand, and write it down.

1. Every op and gradient against loops in float64: what is wrong is not timed.
2. With ``--tune``, every tile of every convolution of the networks; the times are kept on disk.
3. Each kernel beside the device's rates of copying and of its library's matrix products, and PyTorch's cuDNN.
4. Training steps of the networks of docs/gpu.md, beside what was predicted and PyTorch.

``--dry-run`` goes the same way with few images, each call once, and on a device in software too
(``python -m cnnkit_softcuda python -m cnnkit_cupy.measure --dry-run``): its figures mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cnnkit import backends, conformance
from cnnkit_cupy import autotune, gpus
from cnnkit_cupy.benchmark import measuring, page
from cnnkit_cupy.benchmark.__main__ import by_torch, pytorch
from cnnkit_cupy.benchmark.cases import cases
from cnnkit_cupy.measure import steps as training
from cnnkit_cupy.static import times
from cnnkit_cupy.static.networks import BATCH, NETWORKS, PRECISIONS
from cnnkit_cupy.static.page import replaced, reported, section

DRY, FEW, SMALL = "**A dry run: no figure here was measured.**", 2, 10_000
DRY_NETWORKS, DRY_OPS = ("W1", "W2"), ("conv", "linear", "sgd")


def main(
    write: Annotated[Path | None,
                     typer.Option(help="The page to bring up to date, for example docs/gpu.md.")] = None,
    predictions: Annotated[Path, typer.Option(help="The page with the compiler's report.")
                           ] = Path("docs/gpu.md"),
    networks: Annotated[str, typer.Option(help="Only these, for example W1,ResNet-50.")] = "",
    tune: Annotated[bool, typer.Option("--tune", help="Time every tile first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Go through everything once, with few "
                                          "images.")] = False,
) -> None:
    """Check and time the CUDA kernels on the GPU at hand, and put the result on the page."""
    try:
        backend = backends.get("cupy")
    except backends.Unavailable as reason:
        typer.echo("python -m cnnkit_cupy.measure needs a GPU: "
                   f"{str(reason).split('. Available:')[0]}", err=True)
        raise typer.Exit(1) from None
    import cupy

    clock = measuring.by_events(cupy, 0, 1, 0) if dry_run else measuring.by_events(cupy)
    torch = None if dry_run else pytorch()
    batch, chosen = (FEW if dry_run else BATCH), [n for n in networks.split(",") if n] or [*NETWORKS]
    if unknown := set(chosen) - set(NETWORKS):
        raise typer.BadParameter(f"there is no {sorted(unknown)[0]}; there are {', '.join(NETWORKS)}")
    if dry_run:
        chosen = [name for name in chosen if name in DRY_NETWORKS]

    checked, status = conformance.main_report("cupy", ops=DRY_OPS if dry_run else None)
    Console().print(checked)
    if status:
        typer.echo("the checks failed, so nothing is timed", err=True)
        raise typer.Exit(1)
    with backends.use("cupy"):
        if tune:
            for name in chosen:
                autotune.tune(training.training_step(NETWORKS[name], PRECISIONS["float32"], batch), clock)
            typer.echo(f"tiles are kept in {autotune.save()}")
        text = measured(backend, chosen, batch, clock, torch, dry_run, expected(backend, chosen, predictions))
    typer.echo(text)
    if write:
        write.write_text(replaced(write.read_text(encoding="utf-8"), "measured", text), encoding="utf-8")


def measured(backend: Any, networks: list[str], batch: int, clock: measuring.Clock, torch: Any,
             dry_run: bool, predicted: Mapping[tuple[str, str], float]) -> str:
    """The page's section: rates, kernels, and training steps."""
    size = 1 << 12 if dry_run else 1 << 28
    copy = measuring.copy_rate(backend, clock, size)
    names = ("float32", "float16")
    gemm = {name: measuring.gemm_rate(backend, clock, name, 16 if dry_run else 4096) for name in names}
    every = cases(FEW if dry_run else 32)
    chosen = [case for case in every if not dry_run or prod(case.shapes[0]) <= SMALL]
    rows = list(measuring.measure(chosen, names, clock, torch, by_torch(torch) if torch else None))
    timed = list(training.steps([NETWORKS[name] for name in networks], PRECISIONS.values(), batch, clock,
                                training.by_torch(torch, by_torch(torch)) if torch else lambda *_: None))
    machine = training.device_rates(backend) + (f" with PyTorch {torch.__version__}" if torch else "")
    name = next((gpu for gpu in gpus.GPUS if gpu in backend.device()), backend.device())
    return "\n\n".join([*([DRY] if dry_run else []), page.report(machine, rows, copy, gemm),
                        f"Training steps of {batch} images, in images a second; PyTorch's by cuDNN, eagerly, "
                        "channels last.", training.table(timed, name, predicted)])


def expected(backend: Any, networks: list[str], predictions: Path) -> dict[tuple[str, str], float]:
    """Images a second that were predicted for this GPU; none where it is not among `gpus.GPUS`."""
    name = next((gpu for gpu in gpus.GPUS if gpu in backend.device()), None)
    if name is None or not predictions.exists():
        return {}
    reports = reported(section(predictions.read_text(encoding="utf-8"), "report"))
    return {step.key[:2]: step.images for step in times.every_step(reports, networks, [name])}


if __name__ == "__main__":
    typer.run(main)
