"""``cnnkit profile``: where the time of training steps goes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cnnkit.cli.architectures import Import
from cnnkit.cli.comparing import model_and_images
from cnnkit.cli.predicting import use
from cnnkit.cli.screen import screen
from cnnkit.storage.printing import printable

__all__ = ["profile"]


def profile(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, a folder of class folders, "
                                             "or an .npz file.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of training to measure, behind one that is "
                                       "not.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 32,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    by: Annotated[str, typer.Option(help="kernel, layer or shape: what tells lines apart.")] = "kernel",
    sort: Annotated[str, typer.Option(help="total, average, calls, bytes or idle.")] = "total",
    rows: Annotated[int, typer.Option(min=1, help="Lines at most.")] = 25,
    trace: Annotated[Path | None, typer.Option(metavar="FILE.json", show_default=False, help="Write a Chrome "
                                               "trace, which ui.perfetto.dev opens.")] = None,
    flame: Annotated[Path | None, typer.Option(metavar="FILE.svg", show_default=False,
                                               help="Write a flame graph.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    import_: Import = None,
) -> None:
    """Show where the time of training goes: by op and kernel, forward, back and update; memory; threads."""
    import cnnkit
    from cnnkit import storage, train
    from cnnkit.data import Subset

    use(backend)
    network, images = model_and_images(model, data, import_)
    few = Subset(images, [n % len(images) for n in range(steps * batch_size)])
    train.fit(network, Subset(few, range(batch_size)), batch_size=batch_size, progress=False, capture=False)
    with cnnkit.profile(network) as measured:
        train.fit(network, few, batch_size=batch_size, progress=False)
    averages = measured.key_averages(by)
    text = averages.table(sort, rows)  # the errors first, and then the files
    if trace is not None:
        measured.export_chrome_trace(trace)
    if flame is not None:
        storage.write(flame, measured.flame_graph().encode())
    if as_json:
        print(json.dumps({"model": model, "steps": steps, "batch_size": batch_size,
                          "seconds": measured.seconds, "threads": measured.threads,
                          "peak_memory": measured.peak_memory, "rows": [asdict(row) for row in averages]},
                         indent=2))
        return
    console = screen()
    console.print(printable(text, keep="\n"), soft_wrap=True)
    console.print(f"arrays that kernels made: {measured.peak_memory / 2**20:.1f} MiB at most", soft_wrap=True)
