"""``cnnkit summary``, ``show``, ``backends`` and ``check``: looking at models and machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

__all__ = ["backends", "check", "show", "summary"]


def summary(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.", show_default="3,32,32")] = None,
    classes: Annotated[int, typer.Option(min=1, help="Number of classes, for a name.")] = 10,
) -> None:
    """Show each layer's output shape, parameters with their formula, FLOPs and memory."""
    import cnnkit

    network, shape = _model(model, input_shape, classes)
    Console().print(cnnkit.summary(network, shape), soft_wrap=True)


def show(
    model: Annotated[str, typer.Argument(help="A saved model's file, or `sobel` for edge filters.")],
    image: Annotated[Path, typer.Argument(help="An image file.")],
    layer: Annotated[str | None, typer.Option(help="Name of one layer, as `cnnkit summary` shows it.", show_default="all")] = None,
) -> None:
    """Show a model's filters and what they see in an image: bright pixels are strong activations."""
    from cnnkit import models
    from cnnkit.cli.pictures import read_images

    if model == "sobel":
        Console().print(models.sobel(read_images([image], (1, 64, 64))))
        return
    network, shape = _model(model, None, 10)
    Console().print(models.show(network, read_images([image], shape), layer=layer))


def backends() -> None:
    """List the array libraries and kernel tables that are here, and why others are not."""
    from cnnkit import backends as registry

    table = Table("backend", "library", "version", "device", "kernel tables", "available", box=None, pad_edge=False)
    for row in registry.list():
        table.add_row(row.name, row.library, row.version, row.device, ", ".join(row.tables) or "-",
                      "yes" if row.available else row.reason)
    Console().print(table)


def check(
    name: Annotated[str, typer.Argument(help="A backend or kernel table; `cnnkit backends` lists them.")],
    op: Annotated[list[str] | None, typer.Option(help="Only these ops; may be given several times.", show_default="all")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every case.")] = False,
) -> None:
    """Check a backend's ops and gradients against slow and simple loops in float64."""
    from cnnkit import conformance

    text, status = conformance.main_report(name, ops=op or None, verbose=verbose)
    Console().print(text, soft_wrap=True)
    raise typer.Exit(status)


def _model(model: str, input_shape: str | None, classes: int) -> tuple[Any, tuple[int, int, int]]:
    """A saved model, or a fresh one by name, with the shape of its images."""
    from cnnkit import models
    from cnnkit.safetensors import load_model

    if model in models.NAMES:
        shape = _shape(input_shape or "3,32,32")
        return models.NAMES[model](shape, classes=classes), shape
    if not Path(model).exists() and not Path(f"{model}.safetensors").exists():
        raise ValueError(f"{model} is neither a saved model's file nor one of {', '.join(models.NAMES)}")
    saved = load_model(model)
    return saved.model, saved.input_shape


def _shape(text: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(n) for n in text.replace("x", ",").split(","))
    except ValueError:
        raise ValueError(f"--input-shape takes three whole numbers C,H,W such as 3,32,32; got {text!r}") from None
    return channels, height, width
