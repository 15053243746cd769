"""``cnnkit report``: one HTML page on a saved model and what it makes of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cnnkit.cli.architectures import Import, load_saved
from cnnkit.cli.predicting import matching, use
from cnnkit.cli.screen import error_screen, screen

__all__ = ["report"]


def report(
    model: Annotated[Path, typer.Argument(help="A model that `cnnkit train` saved.")],
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, a folder of class folders, "
                                             "or an .npz file: its test part, or what was held out of it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the page goes.")] = Path("report.html"),
    run: Annotated[list[Path] | None, typer.Option(
        "--run", metavar="MODEL", show_default=False, help="Another saved model, whose curves are drawn over "
        "this one's; may be given several times.")] = None,
    show: Annotated[list[int] | None, typer.Option(
        min=0, metavar="INDEX", show_default="two right and two wrong answers",
        help="Position of an image whose maps are shown; may be given several times.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Measure at most so many images.")] = 2000,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch MNIST or Fashion-MNIST if they "
                                           "are not here.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Use all images of data without a test part, also "
                                        "those that the model has learned from.")] = False,
    import_: Import = None,
) -> None:
    """Write a page on a model: curves, layers and kernels, filters, what answers rest on, right and wrong."""
    from cnnkit.report import Run, make_report

    if out.is_dir():
        raise ValueError(f"--out: {out} is a folder; name a file in it, such as {out / 'report.html'}")
    use(backend)
    saved = load_saved(model, import_)
    saved.model.float()  # as the images are; a file may hold 16 bits
    measured = matching(data, saved, model, download, every)
    if measured.warning:
        error_screen().print(f"cnnkit: {measured.warning}")
    runs = [Run.of_saved(path.stem, load_saved(path, import_).settings) for path in (model, *(run or []))]
    page = make_report(saved.model, measured.images, runs, title=f"{model.stem} on {Path(data).name}",
                       settings=_facts(saved.settings, measured), classes=saved.classes, show=show or None,
                       most=most)
    page.save(out)
    screen().print(f"Report written to {out} ({len(page.html.encode()) / 1e6:.2f} MB)", soft_wrap=True)


def _facts(settings: dict[str, Any], measured: Any) -> dict[str, str]:
    """What a saved model's settings say of how it was made, and what it is measured on."""
    facts = {"model": settings.get("model"), "its arguments": settings.get("config") or None,
             "images": settings.get("input_shape"), "held out": settings.get("held_out") or None,
             "weights' checksum": settings.get("sha256"), "saved by cnnkit": settings.get("cnnkit"),
             "measured on": f"{len(measured.images):,} images, {measured.part}"}
    return {name: value if isinstance(value, str) else json.dumps(value)
            for name, value in facts.items() if value is not None}
