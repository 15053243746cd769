"""``cnnkit export``: a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnnkit.cli.architectures import Import
from cnnkit.cli.inspecting import named_model
from cnnkit.cli.screen import screen

__all__ = ["export"]


def export(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    out: Annotated[Path, typer.Argument(help="The ONNX file to write, such as model.onnx.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.",
                                                    show_default="3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="10")] = None,
    opset: Annotated[int, typer.Option(help="The lowest version of the operators.")] = 17,
    batch: Annotated[int | None, typer.Option(min=1, help="Images at a time, where only one number of them "
                                              "is to be taken.", show_default="any number")] = None,
    fold_batch_norm: Annotated[bool, typer.Option("--fold-batch-norm", help="Multiply batch norm into the "
                                                  "convolutions before it.")] = False,
    import_: Import = None,
) -> None:
    """Write a model as it predicts to an ONNX file, which onnxruntime and other programs run."""
    import cnnkit
    from cnnkit import onnx

    network, shape = named_model(model, input_shape, classes, import_)
    dtype = next((p.dtype for p in network.parameters()), "float32")
    images = cnnkit.zeros((batch or 1, *shape), dtype=dtype)
    made = onnx.export(network, images, out, opset=opset, dynamic_batch=batch is None,
                       fold_batch_norm=fold_batch_norm)
    size = out.stat().st_size
    screen().print(f"{out}: {len(made.graph.node):,} nodes, opset {made.opset_import[0].version}, "
                   f"{size:,} bytes", soft_wrap=True)
