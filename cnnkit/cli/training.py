"""``cnnkit train`` and ``cnnkit predict``."""

from __future__ import annotations

import inspect
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cnnkit.cli.screen import counted, error_screen, screen

__all__ = ["predict", "train"]

EPOCHS = {"digits": 30}  # small images are quick; everything else gets OTHER_EPOCHS
OTHER_EPOCHS = 3
LARGEST_LR = 1000.0  # far above any that trains: a larger one is a slip of the keyboard
SHARE = 0.2  # of the images that is held out where the data have no test part


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

    if not lr <= LARGEST_LR:
        raise ValueError(f"--lr {lr:g}: a learning rate is a number from 0 to {LARGEST_LR:g}, such as 0.001")
    console = screen()
    _use(backend)
    random.seed(seed)
    learn, held_out = datasets.load(data, size=size, download=download)
    if held_out is None:
        learn, held_out = _split(data, learn, seed)
    classes = list(learn.classes or [])
    if len(classes) < 2:
        raise ValueError(f"{data} has one class only{f' ({classes[0]})' if classes else ''}: a classifier needs two or more")
    kind = _model_kind(model)
    network = kind(tuple(learn.image_shape), classes=len(classes))
    target = _target(out, data, model)
    epochs = EPOCHS.get(data, OTHER_EPOCHS) if epochs is None else epochs
    here = backends.current()
    parameters = sum(p.numel() for p in network.parameters())
    console.print(f"Training {model} ({parameters:,} parameters) on {data}: {counted(len(learn), 'image')} of "
                  f"{' x '.join(map(str, learn.image_shape))}, {len(held_out):,} held out, {len(classes)} classes; "
                  f"backend {here.name}{_tables(here)}", soft_wrap=True)
    facts = {"data": data, "batch_size": batch_size, "lr": lr, "optimizer": optimizer, "seed": seed, "backend": here.name}
    _fit_and_save(console, network, learn, held_out, target, classes, epochs, facts)


def _fit_and_save(console: Console, network: Any, learn: Any, held_out: Any, target: Path, classes: list[str], epochs: int,
                  facts: dict[str, Any]) -> None:
    """Train and save; Ctrl-C never loses what was learnt.

    In `fit` the first one stops after the batch and a second one at once. After it they wait: the model is saved first.
    """
    from cnnkit import functional
    from cnnkit import train as training
    from cnnkit.safetensors import save_model
    from cnnkit.train.evaluate import batches, measure
    from cnnkit.train.interrupt import Interrupt
    from cnnkit.train.progress import Bar, Lines

    shown = (Bar if console.is_terminal else Lines)(console)
    start = time.perf_counter()
    with Interrupt() as interrupt:
        try:
            history = training.fit(network, learn, epochs=epochs, batch_size=facts["batch_size"], optimizer=facts["optimizer"],
                                   lr=facts["lr"], validation=held_out, seed=facts["seed"], progress=shown)
            at_once = False
        except KeyboardInterrupt:
            history, at_once = training.History(shown.rows, interrupted=True), True
        seconds = time.perf_counter() - start
        whole = sum(row.val_loss is not None for row in history)

        def save(accuracy: float | None) -> Path:
            return save_model(network, target, classes, accuracy=accuracy, history=history.as_dicts(),
                              training={**facts, "epochs": whole, "interrupted": history.interrupted})

        accuracy = history[-1].val_accuracy if len(history) and not at_once else None
        saved = save(accuracy)
        epoch = min(whole + 1, epochs)
        if at_once:
            error_screen().print(f"cnnkit: interrupted in epoch {epoch} of {epochs}; the model as it was then is saved to {saved}")
            raise typer.Exit(130)
        if history.interrupted:
            console.print(f"Stopped by Ctrl-C in epoch {epoch} of {epochs}; what was learnt is kept.")
        if accuracy is None and not interrupt.stopped:
            loader = batches(held_out, 256)
            scores = measure(network, loader, functional.cross_entropy, lambda done: interrupt.stopped)
            accuracy = None if scores is None else scores.accuracy
            saved = save(accuracy)
    figure = "not measured" if accuracy is None else f"{accuracy:.4f}"
    console.print(f"Held-out accuracy {figure} after {counted(whole, 'whole epoch' if history.interrupted else 'epoch')} "
                  f"in {seconds:.1f} s")
    console.print(f"Model saved to {saved} (settings beside it: {saved.with_suffix('.json').name})", soft_wrap=True)


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
    screen().print(table)


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


def _split(data: str, images: Any, seed: int) -> tuple[Any, Any]:
    """The images to learn from and those held out."""
    from cnnkit.data import random_split

    learn, held_out = random_split(images, [1 - SHARE, SHARE], seed)
    if not len(held_out):
        raise ValueError(f"{data} has {counted(len(images), 'image')}: at least {round(1 / SHARE)} are needed, because one in "
                         f"{round(1 / SHARE)} is held out to measure the model")
    return learn, held_out


def _target(out: Path | None, data: str, model: str) -> Path:
    """Where the model goes: checked before the training, not after it."""
    if out is not None and out.name in ("", ".."):
        raise ValueError(f"--out {str(out)!r} names no file; give one such as models/net")
    target = out or Path("models") / f"{_name(data)}-{model}"
    target = target if target.suffix == ".safetensors" else target.with_name(f"{target.name}.safetensors")
    for file in (target, target.with_suffix(".json")):
        if file.is_dir():
            raise ValueError(f"--out: {file} is a folder; name a file in it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ValueError(f"--out: no file can be written to the folder {target.parent} ({error.strerror}); "
                         "name another with --out") from None
    return target


def _name(data: str) -> str:
    path = Path(data)
    return (path.resolve().name if path.is_dir() else path.stem) or "data"
