"""``cnnkit train`` and ``cnnkit predict``."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

__all__ = ["predict", "train"]

EPOCHS = {"digits": 30}  # small images are quick; everything else gets OTHER_EPOCHS
OTHER_EPOCHS = 3


def train(
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, a folder of class folders, or an .npz file.")],
    model: Annotated[str, typer.Option(help="CommonCNN, or another name of cnnkit.models.")] = "CommonCNN",
    epochs: Annotated[int | None, typer.Option(min=0, help=f"Times to go through the data; 30 for digits, else {OTHER_EPOCHS}.",
                                               show_default=False)] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    optimizer: Annotated[str, typer.Option(help="adam, adamw or sgd (momentum 0.9).")] = "adam",
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table; `cnnkit backends` lists them.",
                                                show_default="numpy")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Initial weights, order of the data, held-out part.")] = 0,
    size: Annotated[int | None, typer.Option(min=1, help="Resize the images of a folder to SIZE x SIZE.",
                                             show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Where the model goes.", show_default="models/DATA-MODEL.safetensors")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch MNIST or Fashion-MNIST if they are not here.")] = False,
) -> None:
    """Train a model on images, show progress, and save it."""
    from cnnkit import backends, random
    from cnnkit import data as datasets
    from cnnkit import train as training
    from cnnkit.safetensors import save_model

    console = Console()
    _use(backend)
    random.seed(seed)
    learn, held_out = datasets.load(data, size=size, download=download)
    if held_out is None:
        learn, held_out = datasets.random_split(learn, [0.8, 0.2], seed)
    classes = list(learn.classes or [])
    kind = _model_kind(model)
    network = kind(tuple(learn.image_shape), classes=len(classes))
    target = _target(out, data, model)
    epochs = EPOCHS.get(data, OTHER_EPOCHS) if epochs is None else epochs
    here = backends.current()
    parameters = sum(p.numel() for p in network.parameters())
    console.print(f"Training {model} ({parameters:,} parameters) on {data}: {len(learn):,} images of "
                  f"{' x '.join(map(str, learn.image_shape))}, {len(held_out):,} held out, {len(classes)} classes; "
                  f"backend {here.name}{_tables(here)}", highlight=False, soft_wrap=True)
    start = time.perf_counter()
    history = training.fit(network, learn, epochs=epochs, batch_size=batch_size, optimizer=optimizer, lr=lr,
                           validation=held_out, seed=seed)
    seconds = time.perf_counter() - start
    scores = training.evaluate(network, held_out)
    saved = save_model(network, target, classes, accuracy=scores.accuracy, history=history.as_dicts(),
                       training={"data": data, "epochs": len(history), "batch_size": batch_size, "lr": lr, "optimizer": optimizer,
                                 "seed": seed, "backend": here.name, "interrupted": history.interrupted})
    if history.interrupted:
        console.print("Stopped by Ctrl-C after the batch; what was learnt is kept.")
    console.print(f"Held-out accuracy {scores.accuracy:.4f} after {len(history)} epochs in {seconds:.1f} s", highlight=False)
    console.print(f"Model saved to {saved} (settings beside it: {saved.with_suffix('.json').name})", highlight=False,
                  soft_wrap=True)


def predict(
    model: Annotated[Path, typer.Argument(help="A model that `cnnkit train` saved.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, of any size.")],
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.", show_default="numpy")] = None,
    invert: Annotated[bool, typer.Option("--invert", help="For dark strokes on light paper, where the model has learnt light on "
                                                          "dark (digits, mnist, fashion-mnist).")] = False,
) -> None:
    """Say which class each image is, and how sure the model is."""
    from cnnkit import train as training
    from cnnkit.cli.pictures import read_images
    from cnnkit.safetensors import load_model

    _use(backend)
    saved = load_model(model)
    probabilities = training.predict_proba(saved.model, read_images(images, saved.input_shape, invert)).numpy()
    table = Table("image", "class", "probability", box=None, pad_edge=False)
    for path, row in zip(images, probabilities):
        best = int(row.argmax())
        table.add_row(str(path), saved.classes[best], f"{row[best]:.4f}")
    Console().print(table)


def _use(backend: str | None) -> None:
    import cnnkit

    if backend is not None:
        cnnkit.use(backend)


def _model_kind(name: str) -> Any:
    from cnnkit import models

    fitting = [n for n in models.NAMES if "input_shape" in inspect.signature(models.NAMES[n]).parameters]
    if name not in fitting:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(fitting)}")
    return models.NAMES[name]


def _tables(backend: Any) -> str:
    from cnnkit import backends

    served = [t.name for t in backends.kernel_tables(backend.name) if t.available() is True]
    return f" ({', '.join(served)} kernels)" if served else ""


def _target(out: Path | None, data: str, model: str) -> Path:
    """Where the model goes: checked before the training, not after it."""
    target = out or Path("models") / f"{Path(data).stem}-{model}"
    target = target if target.suffix == ".safetensors" else target.with_name(f"{target.name}.safetensors")
    if target.is_dir():
        raise ValueError(f"--out {target} is a folder; name a file in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
