"""``cnnkit summary``, ``explain``, ``show``, ``backends`` and ``check``: looking at models and machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from cnnkit.cli.architectures import Import, imported
from cnnkit.cli.predicting import use
from cnnkit.cli.screen import screen
from cnnkit.foreign import device_of
from cnnkit.storage.printing import printable

__all__ = ["backends", "check", "explain", "show", "summary"]

INDENT = 4  # columns before what is said of a backend


def summary(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.",
                                                    show_default="3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="10")] = None,
    import_: Import = None,
) -> None:
    """Show each layer's output shape, parameters with their formula, FLOPs and memory."""
    import cnnkit

    network, shape = _model(model, input_shape, classes, import_)
    screen().print(cnnkit.summary(network, shape), soft_wrap=True)


def explain(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.",
                                                    show_default="3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="10")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time: kernels may choose by it.")] = 32,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    training: Annotated[bool, typer.Option("--training", help="As a training step, back too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    import_: Import = None,
) -> None:
    """Show which kernel serves each call of a forward pass, what is fused, and why other kernels declined."""
    import cnnkit
    from cnnkit import backends as registry

    use(backend)
    network, shape = _model(model, input_shape, classes, import_)
    like = next(network.parameters()).array
    xp, device = registry.namespace_of(like), device_of(like)
    with registry.on(like):
        images = xp.zeros((batch, *shape), dtype=like.dtype, device=device)
    if training:
        explanation = cnnkit.explain(network.train(), images, backward=True)
    else:
        with cnnkit.no_grad():
            explanation = cnnkit.explain(network.eval(), images)
    print(json.dumps({"model": model, **explanation.as_dict()}, indent=2) if as_json else
          printable(str(explanation), keep="\n"))


def show(
    model: Annotated[str, typer.Argument(help="A saved model's file, or `sobel` for edge filters.")],
    image: Annotated[Path, typer.Argument(help="An image file.")],
    layer: Annotated[str | None, typer.Option(help="Name of one layer, as `cnnkit summary` shows it.",
                                              show_default="all")] = None,
    import_: Import = None,
) -> None:
    """Show a model's filters and what they see in an image: bright pixels are strong activations."""
    from cnnkit import inspection
    from cnnkit.cli.pictures import read_images

    console = screen(wide=False)
    if model == "sobel":
        if layer is not None:
            raise ValueError(f"--layer {layer}: sobel is one pair of filters and has no layers; "
                             "leave the option out")
        console.print(inspection.sobel(read_images([image], (1, None, None))), crop=False)
        return
    network, shape = _model(model, spec=import_)
    learnt = network.input_format
    pictures = read_images([image], shape, transform=None if learnt is None else learnt.transform())
    console.print(inspection.show(network, pictures, layer=layer), crop=False)


def backends() -> None:
    """List the array libraries and kernel tables that are here, and why others are not."""
    from cnnkit import backends as registry

    console, rows = screen(), registry.list()
    columns = [Column(no_wrap=True) for _ in range(5)]  # what --backend takes, to the letter
    table = Table.grid(*columns, padding=(0, 2))
    table.add_row("backend", "library", "version", "device", "available")
    for row in rows:
        table.add_row(row.name, row.library, row.version, row.device, "yes" if row.available else "no")
    with console.capture() as capture:
        console.print(table)
    heading, *lines = capture.get().splitlines()
    console.print(heading.rstrip(), soft_wrap=True)
    for line, row in zip(lines, rows):
        console.print(line.rstrip(), soft_wrap=True)
        for detail in _details(row):
            console.print(Padding(Text(detail), (0, 0, 0, INDENT), expand=False))


def _details(row: Any) -> list[str]:
    """What is to be said of a backend below its line: why it is not here, or its memory; its tables."""
    if not row.available:
        return [row.reason]
    return [*([row.memory] if row.memory else []),
            *([f"kernel tables: {', '.join(row.tables)}"] if row.tables else [])]


def check(
    name: Annotated[str, typer.Argument(help="A backend or kernel table; `cnnkit backends` lists them.")],
    op: Annotated[list[str] | None, typer.Option(help="Only these ops; may be given several times.",
                                                 show_default="all")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every case.")] = False,
) -> None:
    """Check a backend's ops and gradients against slow and simple loops in float64."""
    from cnnkit import conformance

    text, status = conformance.main_report(name, ops=op or None, verbose=verbose)
    screen().print(text, soft_wrap=True)
    raise typer.Exit(status)


def _model(model: str, input_shape: str | None = None, classes: int | None = None,
           spec: str | None = None) -> tuple[Any, tuple[int, int, int]]:
    """A saved model, or a fresh one by name, with the shape of its images."""
    from cnnkit import models

    if spec is not None:
        imported(spec)
    names = [row.name for row in models.list() if {"input_shape", "classes"} <= {*row.arguments}]
    if model in names:
        shape = _shape(input_shape or "3,32,32")
        config = {"input_shape": shape, "classes": 10 if classes is None else classes}
        return models.build(model, config), shape
    if not Path(model).exists() and not Path(f"{model}.safetensors").exists():
        raise ValueError(f"{model} is neither a saved model's file nor one of {', '.join(names)}")
    for option, value in (("--input-shape", input_shape), ("--classes", classes)):
        if value is not None:
            raise ValueError(f"{option} {value}: {model} is a saved model, which has its own; "
                             "leave the option out")
    saved = models.load_model(model)
    return saved.model.float(), saved.input_shape  # as the images are; a file may hold 16 bits


def _shape(text: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(n) for n in text.replace("x", ",").split(","))
    except ValueError:
        raise ValueError("--input-shape takes three whole numbers C,H,W such as 3,32,32; "
                         f"got {text!r}") from None
    return channels, height, width
