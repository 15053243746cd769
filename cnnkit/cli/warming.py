"""``cnnkit warm-up``: compile what a model needs, before its first step waits for it."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnkit.cli.architectures import Import
from cnnkit.cli.inspecting import named_model
from cnnkit.cli.predicting import use

__all__ = ["warm_up"]

DTYPES = {"float32": None, "float16": "float16", "bfloat16": "bfloat16"}


def warm_up(
    model: Annotated[str, typer.Argument(help="A saved model's file, or a name of cnnkit.models.")],
    input_shape: Annotated[str | None, typer.Option(help="C,H,W of the images, for a name.",
                                                    show_default="the network's own, or 3,32,32")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, for a name.",
                                                show_default="the network's own, or 10")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time: kernels may choose by it.")] = 32,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    inference: Annotated[bool, typer.Option("--inference", help="A forward pass, in place of a training "
                                            "step.")] = False,
    dtype: Annotated[str, typer.Option(help=f"{', '.join(DTYPES)}: of 16 bits under autocast.")] = "float32",
    import_: Import = None,
) -> None:
    """Compile the kernels that a model will need, in threads, so that its first step need not wait."""
    from cnnkit import backends

    if dtype not in DTYPES:
        raise ValueError(f"--dtype {dtype}: there are {', '.join(DTYPES)}")
    network, shape = named_model(model, input_shape, classes, import_)
    use(backend)
    current = backends.current()
    said = current.warm_up(network, shape, batch, not inference, DTYPES[dtype])
    print(said or f"{current.name} compiles nothing when it is first used")
