"""``cnnkit train``."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cnnkit.cli.config import again, export, read_config, settings_of
from cnnkit.cli.predicting import use
from cnnkit.cli.resuming import checkpointing, clear
from cnnkit.cli.screen import counted, error_screen, screen

if TYPE_CHECKING:
    from cnnkit.data import Dataset
    from cnnkit.train.callbacks import Checkpoint, EarlyStopping

__all__ = ["train"]

EPOCHS = {"digits": 30}  # small images are quick; everything else gets OTHER_EPOCHS
OTHER_EPOCHS = 3
LARGEST_LR = 1000.0  # far above any that trains: a larger one is a slip of the keyboard
SHARE = 0.2  # of the images that is held out where the data have no test part


def train(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, cifar10, cifar100, "
                                        "a folder of class folders, or an .npz file.")],
    model: Annotated[str, typer.Option(help="CommonCNN, or another name of cnnkit.models.")] = "CommonCNN",
    epochs: Annotated[int | None, typer.Option(min=0, help="Times to go through the data; 30 for digits, "
                                               f"else {OTHER_EPOCHS}.", show_default=False)] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    optimizer: Annotated[str, typer.Option(help="adam, adamw or sgd (momentum 0.9).")] = "adam",
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table; `cnnkit "
                                                     "backends` lists them.", show_default="numpy")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Initial weights, order of the data, held-out part.")] = 0,
    size: Annotated[int | None, typer.Option(min=1, help="Resize the images of a folder to SIZE x SIZE.",
                                             show_default=False)] = None,
    val: Annotated[str | None, typer.Option(help="What to hold out: a share such as 0.1, or other data.",
                                            show_default=f"the data's test part, else {SHARE}")] = None,
    schedule: Annotated[str | None, typer.Option(help="The learning rate's way: cosine, warmup-cosine, "
                                                      "one-cycle, linear, exponential, step or plateau.",
                                                 show_default="none")] = None,
    augment: Annotated[str | None, typer.Option(
        metavar="NAMES", show_default="none", help="Change images at random to learn from: "
        "flip, vflip, rotate, crop, resized-crop, affine, jitter, erase, mixup, cutmix, "
        "with or without numbers, such as flip,crop=4,rotate=10.")] = None,
    early_stopping: Annotated[int | None, typer.Option(
        min=1, metavar="EPOCHS", show_default=False, help="Stop when the held-out "
        "loss has not improved for so many epochs; keep the best weights.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the model goes.",
                                             show_default="models/DATA-MODEL.safetensors")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch MNIST or Fashion-MNIST if they "
                                           "are not here.")] = False,
    resume: Annotated[bool, typer.Option("--resume",
                                         help="Go on where the same command was stopped or killed.")] = False,
    config: Annotated[Path | None, typer.Option(is_eager=True, callback=read_config, exists=True,
                                                dir_okay=False, show_default=False, metavar="FILE.toml",
                                                help="Settings; options given here win.")] = None,
    export_config: Annotated[bool, typer.Option("--export-config",
                                                help="Print the settings as TOML, and do nothing.")] = False,
) -> None:
    """Train a model on images, show progress, and save it."""
    from cnnkit import backends, random
    from cnnkit import data as datasets
    from cnnkit.data.transforms import asked
    from cnnkit.train.callbacks import EarlyStopping
    from cnnkit.train.schedules import SCHEDULES

    if not 0 <= lr <= LARGEST_LR:
        raise ValueError(f"--lr {lr:g}: a learning rate is a number from 0 to {LARGEST_LR:g}, such as 0.001")
    if schedule is not None and schedule not in SCHEDULES:
        raise ValueError(f"--schedule: there is no schedule {schedule!r}; there are {', '.join(SCHEDULES)}")
    if augment is not None:
        asked(augment, "--augment")
    if export_config:
        print(export(settings_of(context)))
        return
    console = screen()
    use(backend)
    random.seed(seed)
    learn, held_out = datasets.load(data, size=size, download=download)
    if val is not None:
        learn, held_out = _held_out(val, data, learn, seed, size, download)
    elif held_out is None:
        learn, held_out = _split(data, learn, seed, SHARE)
    classes = list(learn.classes or [])
    if len(classes) < 2:
        raise ValueError(f"{data} has one class only{f' ({classes[0]})' if classes else ''}: "
                         "a classifier needs two or more")
    kind = _model_kind(model)
    network = kind(input_shape=tuple(learn.image_shape), classes=len(classes))
    target = _target(out, data, model)
    epochs = EPOCHS.get(data, OTHER_EPOCHS) if epochs is None else epochs
    here = backends.current()
    parameters = sum(p.numel() for p in network.parameters())
    console.print(f"Training {model} ({parameters:,} parameters) on {data}: "
                  f"{counted(len(learn), 'image')} of {' x '.join(map(str, learn.image_shape))}, "
                  f"{len(held_out):,} held out, {len(classes)} classes; "
                  f"backend {here.name}{_tables(here)}", soft_wrap=True)
    settings = settings_of(context) | {"epochs": epochs, "out": str(target)}
    checkpoint, begun = checkpointing(console, target, settings, resume, again(context, "--resume"))
    facts = {"data": data, "batch_size": batch_size, "lr": lr,
             "optimizer": optimizer, "seed": seed, "backend": here.name,
             **{name: value for name, value in (("augment", augment), ("schedule", schedule),
                                                ("early_stopping", early_stopping)) if value}}
    stopping = None if early_stopping is None else EarlyStopping("val_loss", patience=early_stopping)
    _fit_and_save(console, network, learn, held_out, target, classes, epochs, facts,
                  checkpoint, stopping, begun)


def _fit_and_save(console: Console, network: Any, learn: Any, held_out: Any, target: Path, classes: list[str],
                  epochs: int, facts: dict[str, Any], checkpoint: Checkpoint, stopping: EarlyStopping | None,
                  resume: bool) -> None:
    """Train and save; Ctrl-C never loses what was learnt.

    In `fit` the first one stops after the batch and a second one at once. After it they wait: the model
    is saved first.
    """
    from cnnkit import functional
    from cnnkit import train as training
    from cnnkit.evaluation.evaluate import batches, measure
    from cnnkit.models import save_model
    from cnnkit.train.checkpoints import CheckpointWarning, numbered
    from cnnkit.train.interrupt import Interrupt
    from cnnkit.train.progress import Bar, Lines

    class Rows(training.callbacks.Callback):
        """Holds the run's history, also of a run that an error ends."""

        def on_train_start(self, run: training.Run) -> None:
            self.history = run.history

    shown, rows = (Bar if console.is_terminal else Lines)(console), Rows()
    start = time.perf_counter()
    with Interrupt() as interrupt, warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        warnings.showwarning = lambda message, *where, **more: error_screen().print(f"cnnkit: {message}")  # type: ignore[assignment]
        try:
            history = training.fit(network, learn, epochs=epochs, batch_size=facts["batch_size"],
                                   optimizer=facts["optimizer"], lr=facts["lr"], validation=held_out,
                                   seed=facts["seed"], augment=facts.get("augment"),
                                   progress=shown, scheduler=facts.get("schedule"), resume=resume,
                                   callbacks=[rows, checkpoint, *([] if stopping is None else [stopping])])
            at_once = False
        except KeyboardInterrupt:
            history, at_once = training.History(rows.history.epochs, interrupted=True), True
        finally:
            if not numbered(checkpoint.folder):
                clear(checkpoint.folder)
        seconds = time.perf_counter() - start
        whole = sum(row.val_loss is not None for row in history)

        def save(accuracy: float | None) -> Path:
            try:
                return save_model(network, target, classes, accuracy=accuracy, history=history.as_dicts(),
                                  training={**facts, "epochs": whole, "interrupted": history.interrupted})
            except OSError as error:
                raise ValueError(f"the model {target} could not be written ({error.strerror or error}): "
                                 "free some space and give the same command with --resume, "
                                 "which goes on from the last checkpoint") from None

        # whose weights the model has then
        best = stopping is not None and stopping.best_epoch > 0 and not history.interrupted
        last = stopping.best_epoch - 1 if best and stopping is not None else -1
        accuracy = history[last].val_accuracy if len(history) and not at_once else None
        saved = save(accuracy)
        epoch = min(whole + 1, epochs)
        if at_once:
            error_screen().print(f"cnnkit: interrupted in epoch {epoch} of {epochs}; "
                                 f"the model as it was then is saved to {saved}")
            raise typer.Exit(130)
        if history.interrupted and history.checkpoint is None:
            console.print(f"Stopped by Ctrl-C in epoch {epoch} of {epochs}; what was learnt is kept.")
        if best and stopping is not None and (stopping.stopped_epoch or stopping.best_epoch < whole):
            ended = "Stopped early after" if stopping.stopped_epoch else "Done with"
            console.print(f"{ended} epoch {whole}: "
                          f"the model has the weights of epoch {stopping.best_epoch}, its best.")
        if accuracy is None and not interrupt.stopped:
            loader = batches(held_out, 256)
            scores = measure(network, loader, functional.cross_entropy, lambda done: interrupt.stopped)
            accuracy = None if scores is None else scores.accuracy
            saved = save(accuracy)
        if not history.interrupted:
            clear(checkpoint.folder)
    figure = "not measured" if accuracy is None else f"{accuracy:.4f}"
    console.print(f"Held-out accuracy {figure} after "
                  f"{counted(whole, 'whole epoch' if history.interrupted else 'epoch')} in {seconds:.1f} s")
    console.print(f"Model saved to {saved} (settings beside it: {saved.with_suffix('.json').name})",
                  soft_wrap=True)


def _model_kind(name: str) -> Any:
    from cnnkit import models

    kind = models.get(name)
    fitting = [row.name for row in models.list() if {"input_shape", "classes"} <= {*row.arguments}]
    if name not in fitting:
        raise ValueError(f"--model {name}: it cannot be made for these images, because its constructor does "
                         f"not take both input_shape and classes; those of {', '.join(fitting)} do")
    return kind


def _tables(backend: Any) -> str:
    from cnnkit import backends

    served = [t.name for t in backends.kernel_tables(backend.name) if t.available() is True]
    return f" ({', '.join(served)} kernels)" if served else ""


def _split(data: str, images: Dataset, seed: int, share: float) -> tuple[Dataset, Dataset]:
    """The images to learn from and those held out."""
    from cnnkit.data import random_split

    learn, held_out = random_split(images, [1 - share, share], seed)
    if not len(held_out) or not len(learn):
        raise ValueError(f"{data} has {counted(len(images), 'image')}: at least {round(1 / share)} are "
                         f"needed, because one in {round(1 / share)} is held out to measure the model")
    return learn, held_out


def _held_out(val: str, data: str, images: Dataset, seed: int, size: int | None,
              download: bool) -> tuple[Dataset, Dataset]:
    """What ``--val`` asks for: a share of the images, or other data of the same classes."""
    from cnnkit import data as datasets

    try:
        share = float(val)
    except ValueError:
        first, test = datasets.load(val, size=size if Path(val).is_dir() else None, download=download)
        held_out = first if test is None else test
        for what, a, b in (("classes", held_out.classes, images.classes),
                           ("size", held_out.image_shape, images.image_shape)):
            if tuple(a or ()) != tuple(b or ()):
                raise ValueError(f"--val: the {what} of {val} and "
                                 f"{data} differ: {', '.join(map(str, a or ()))}, and "
                                 f"{', '.join(map(str, b or ()))}") from None
        return images, held_out
    if not 0 < share < 1:
        raise ValueError(f"--val {val}: a share of the images is a number between 0 and 1")
    return _split(data, images, seed, share)


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
