"""``cnnkit advise``: when to use and avoid CNNs, answered for some data."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from cnnkit.cli.predicting import use
from cnnkit.cli.screen import screen

__all__ = ["advise"]


def advise(
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, cifar10, cifar100, "
                                             "a folder of class folders, or an .npz file.")],
    images: Annotated[int, typer.Option(min=6, help="Learn from so many of them at most.")] = 1500,
    updates: Annotated[int, typer.Option(min=1, help="Steps of each short training run.")] = 400,
    seeds: Annotated[int, typer.Option(min=1,
                                       help="Train each network with the seeds 0, 1, ...: so many.")] = 2,
    size: Annotated[int | None, typer.Option(min=1, help="Resize the images of a folder to SIZE x SIZE.",
                                             show_default=False)] = None,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure whether a CNN suits some data, bullet by bullet of the guide; exit with status 1 where
    it does not.
    """
    from cnnkit import data as datasets
    from cnnkit.advise import advise as measured

    use(backend)
    advice = measured(datasets.load(data, size=size)[0], images=images, updates=updates,
                      seeds=tuple(range(seeds)))
    if as_json:
        print(json.dumps({"data": data, **advice.as_dict()}, indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("bullet", "measured", "so here", "advice"):
            table.add_column(heading)
        chapter = ""
        for finding in advice.findings:
            if finding.chapter != chapter:
                chapter = finding.chapter
                table.add_row(f"{chapter}:")
            table.add_row(f"  {finding.bullet}", finding.evidence, finding.verdict, finding.advice)
        console = screen()
        console.print(f"{data}: learnt from {advice.images:,} images, measured on {advice.held_out:,} others")
        console.print(table)
        console.print(f"Verdict: {advice.summary}.", soft_wrap=True)
    if not advice.use:
        raise typer.Exit(1)
