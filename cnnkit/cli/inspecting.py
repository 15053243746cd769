"""``cnnkit summary``, ``explain``, ``show``, ``backends`` and ``check``: looking at models and machines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from cnnkit.cli.architectures import Import, imported, is_onnx
from cnnkit.cli.predicting import use
from cnnkit.cli.screen import screen
from cnnkit.foreign import device_of
from cnnkit.storage.printing import printable

__all__ = ["backends", "check", "explain", "named_model", "show", "summary"]

INDENT = 4  # columns before what is said of a backend


def summary(
    model: Annotated[str, typer.Argument(help="A saved model's file, an ONNX file, or a name of "
                                              "cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name or an ONNX file "
                                                         "that takes any.",
                                                    show_default="the network's own, or 3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="the network's own, or 10")] = None,
    import_: Import = None,
) -> None:
    """Show each layer's output shape, parameters with their formula, FLOPs and memory."""
    import cnnkit

    network, shape = named_model(model, input_shape, classes, import_)
    screen().print(cnnkit.summary(network, shape), soft_wrap=True)


def explain(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.",
                                                    show_default="the network's own, or 3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="the network's own, or 10")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time: kernels may choose by it.")] = 32,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    training: Annotated[bool, typer.Option("--training", help="As a training step, back too.")] = False,
    analyze: Annotated[bool, typer.Option("--analyze", help="Measure each call too: time, speed, and its "
                                          "share of what this machine can do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    import_: Import = None,
) -> None:
    """Show which kernel serves each call of a forward pass, what is fused, and why other kernels declined."""
    import cnnkit
    from cnnkit import backends as registry

    use(backend)
    network, shape = named_model(model, input_shape, classes, import_)
    like = next(network.parameters()).array
    xp, device = registry.namespace_of(like), device_of(like)
    with registry.on(like):
        images = xp.zeros((batch, *shape), dtype=like.dtype, device=device)
    if training:
        explanation = cnnkit.explain(network.train(), images, backward=True, analyze=analyze)
    else:
        with cnnkit.no_grad():
            explanation = cnnkit.explain(network.eval(), images, analyze=analyze)
    print(json.dumps({"model": model, **explanation.as_dict()}, indent=2) if as_json else
          printable(str(explanation), keep="\n"))


def show(
    model: Annotated[str, typer.Argument(help="A saved model's file, or `sobel` for edge filters.")],
    image: Annotated[Path, typer.Argument(help="An image file.")],
    layer: Annotated[str | None, typer.Option(help="Name of one layer, as `cnnkit summary` shows it.",
                                              show_default="all")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the pictures to a PNG file instead, pixel by pixel; "
                                             "- writes it to standard output.", show_default=False)] = None,
    characters: Annotated[bool, typer.Option("--characters", help="Draw with characters, also in a terminal "
                                             "that shows pictures.")] = False,
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
        edges = inspection.sobel(read_images([image], (1, None, None)))
        _drawn(console, inspection.Sheet([edges]), out, characters)
        return
    network, shape = named_model(model, spec=import_)
    learnt = network.input_format
    pictures = read_images([image], shape, transform=None if learnt is None else learnt.transform())
    _drawn(console, inspection.show(network, pictures, layer=layer), out, characters)


def _drawn(console: Console, pictures: Any, out: Path | None, characters: bool) -> None:
    """Show pictures in the terminal, by pixels where it can, or write them to a file."""
    from cnnkit.plot import terminal
    from cnnkit.plot.sheets import image_of, save_sheet

    if out is None:
        way = "" if characters else terminal.protocol()
        if not way:
            console.print(pictures, crop=False)
            return
        sys.stdout.write(f"{getattr(terminal, way)(image_of(pictures))}\n")
        sys.stdout.flush()
        return
    if str(out) == "-":
        if sys.stdout.isatty():
            raise ValueError("--out -: a PNG file is not written to a terminal; send it on, to a file or a "
                             "command, or leave the option out")
        image_of(pictures).save(sys.stdout.buffer, "PNG")
        sys.stdout.buffer.flush()
        return
    console.print(f"Pictures written to {save_sheet(pictures, out)}", soft_wrap=True)


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


def named_model(model: str, input_shape: str | None = None, classes: int | None = None,
                spec: str | None = None) -> tuple[Any, tuple[int, int, int]]:
    """A saved model, or a fresh one by name, with the shape of its images."""
    from cnnkit import models

    if spec is not None:
        imported(spec)
    published = {row.name: row.input_shape or (3, 32, 32) for row in models.list()
                 if row.input_shape or {"input_shape", "classes"} <= {*row.arguments}}
    if model in published:
        shape = _shape(input_shape) if input_shape else published[model]
        config: dict[str, Any] = {"input_shape": shape, "classes": 10 if classes is None else classes}
        if "in_channels" in models.registry.arguments_of(models.get(model)):
            config = {"in_channels": shape[0], **({} if classes is None else {"num_classes": classes})}
        return models.build(model, config), shape
    if not Path(model).exists() and not Path(f"{model}.safetensors").exists():
        raise ValueError(f"{model} is neither a saved model's file nor one of {', '.join(published)}")
    if is_onnx(model):
        from cnnkit import onnx
        from cnnkit.cli.onnx_file import image_shape

        read = onnx.load(model)
        return read, image_shape(read, model, _shape(input_shape) if input_shape else None)
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
