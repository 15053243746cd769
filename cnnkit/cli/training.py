"""``cnnkit train``."""

from __future__ import annotations

import math
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from cnnkit import storage
from cnnkit.cli.architectures import built, settings
from cnnkit.cli.config import command_line, export, read_config, settings_of
from cnnkit.cli.holding_out import SHARE, Parts, damaged, parts
from cnnkit.cli.logging import loggers
from cnnkit.cli.predicting import use
from cnnkit.cli.pretrained import pretrained as begin_with
from cnnkit.cli.resuming import Saving, checkpointing, clear
from cnnkit.cli.screen import Ended, counted, error_screen, say, screen, with_notes

if TYPE_CHECKING:
    from cnnkit.train import History, Run
    from cnnkit.train.callbacks import Callback, EarlyStopping

__all__ = ["train"]

UPDATES = 1350  # how many updates of the weights a run without --epochs makes at least
FEWEST, MOST = 3, 100  # epochs of a run without --epochs
TIMES = ("seconds", "images_per_second")  # figures of an epoch that differ from run to run
PIPE = 13  # the number of SIGPIPE, which Windows has not
LARGEST_LR = 1000.0  # far above any that trains: a larger one is a typing error


def train(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, cifar10, cifar100, "
                                        "a folder of class folders, or an .npz file.")],
    model: Annotated[str, typer.Option(help="CommonCNN, another name of cnnkit.models, or a class of yours "
                                            "as MODULE:CLASS.")] = "CommonCNN",
    set_: Annotated[list[str] | None, typer.Option(
        "--set", metavar="NAME=VALUE", show_default=False,
        help="An argument of the model, such as dropout=0.5 or conv=[[8,3],[16,3]]; may be given several "
             "times.")] = None,
    epochs: Annotated[int | None, typer.Option(
        min=0, help="Times to go through the data.",
        show_default=f"{FEWEST}; more for few images: about {UPDATES:,} updates, {MOST} at most")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    pretrained: Annotated[str | None, typer.Option(
        metavar="NAME", show_default=False, help="Begin with weights that others trained, and a new head: "
        "squeezenet1_1, cifar10_resnet20; or a file of --model's weights.")] = None,
    freeze: Annotated[str | None, typer.Option(
        metavar="PART", show_default="backbone", help="With --pretrained: what learns no more, `backbone` "
        "(all but the head), `nothing`, a number of parts, or names such as layer[12].")] = None,
    optimizer: Annotated[str, typer.Option(
        help="sgd (momentum 0.9), adam, adamw, rmsprop, nadam, radam, lion, lamb, lars, adagrad, adadelta "
             "or adamax.")] = "adam",
    weight_decay: Annotated[float | None, typer.Option(
        min=0.0, help="Weight decay of the optimizer.", show_default="the optimizer's own")] = None,
    class_weight: Annotated[str | None, typer.Option(
        metavar="balanced", show_default="none", help="`balanced`: images of rare classes count for more in "
        "the training loss.")] = None,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table; `cnnkit "
                                                     "backends` lists them.", show_default="numpy")] = None,
    workers: Annotated[int | None, typer.Option(
        min=0, help="Threads that prepare batches ahead.",
        show_default="one for each processor, 4 at most, for a folder; else 0")] = None,
    on_error: Annotated[str, typer.Option(
        metavar="skip|raise", help="Leave the damaged images of a folder out, and list them; "
        "or stop.")] = "skip",
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
    precision: Annotated[str, typer.Option(
        metavar="32-true|16-mixed|bf16-mixed", help="As the backend's floats are; or layers in float16 or "
        "bfloat16, weights in float32.")] = "32-true",
    early_stopping: Annotated[int | None, typer.Option(
        min=1, metavar="EPOCHS", show_default=False, help="Stop when the held-out "
        "loss has not improved for so many epochs; keep the best weights.")] = None,
    shards: Annotated[int | None, typer.Option(
        min=1, help="Compute each update in so many parts of the batch, on as many processes as `mpiexec "
        "-n N cnnkit train` has started; the weights do not depend on N.",
        show_default="8 of several processes")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the model goes.",
                                             show_default="models/DATA-MODEL.safetensors")] = None,
    log: Annotated[list[str] | None, typer.Option(
        metavar="KIND[=WHERE]", show_default=False, help="Log each epoch's figures: csv, jsonl, tensorboard, "
        "mlflow or wandb, with a file, folder or project; may be given several times.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch MNIST or Fashion-MNIST if they "
                                           "are not here.")] = False,
    resume: Annotated[bool, typer.Option("--resume",
                                         help="Go on where the same command was stopped or killed.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help="With --resume: go on although "
                                                 "options or data are others; all of them are "
                                                 "named.")] = False,
    config: Annotated[Path | None, typer.Option(is_eager=True, callback=read_config, exists=True,
                                                dir_okay=False, show_default=False, metavar="FILE.toml",
                                                help="Settings; options given here win.")] = None,
    export_config: Annotated[bool, typer.Option("--export-config",
                                                help="Print the settings as TOML, and do nothing.")] = False,
) -> None:
    """Train a model on images, show progress, and save it."""
    from cnnkit import backends, distributed, random
    from cnnkit.data.transforms import numbers_by_name
    from cnnkit.train.callbacks import EarlyStopping
    from cnnkit.train.schedules import SCHEDULES

    if not 0 <= lr <= LARGEST_LR:
        raise ValueError(f"--lr {lr:g}: a learning rate is a number from 0 to {LARGEST_LR:g}, such as 0.001")
    if schedule is not None and schedule not in SCHEDULES:
        raise ValueError(f"--schedule: there is no schedule {schedule!r}; there are {', '.join(SCHEDULES)}")
    for option, value, values in (("--class-weight", class_weight, ("balanced",)),
                                  ("--on-error", on_error, ("skip", "raise"))):
        if value is not None and value not in values:
            raise ValueError(f"{option} {value}: it takes {' or '.join(values)}")
    if augment is not None:
        numbers_by_name(augment, "--augment")
    given = settings(set_ or [])
    if export_config:
        print(export(settings_of(context)))
        return
    if distributed.started_by_mpi() > 1:
        distributed.init()
    console = screen(quiet=distributed.rank() > 0)
    use(backend)
    random.seed(seed)
    chosen = begin_with(pretrained, model, _is_given(context, "model"), freeze)
    reading = {"size": size} if chosen is None else chosen.reading(data, size)
    split = parts(data, val, seed, download=download, on_error=on_error, **reading)
    learn, held_out = split.learn, split.held_out
    for line in damaged(split.source):
        error_screen().print(f"cnnkit: {line}")
    classes = list(learn.classes or [])
    if len(classes) < 2:
        raise ValueError(f"{data} has one class only{f' ({classes[0]})' if classes else ''}: "
                         "a classifier needs two or more")
    if chosen is None:
        network = built(model, learn.image_shape, len(classes), given)
    else:
        network, model = chosen.network(learn.image_shape, len(classes), given), chosen.model
    target = _target(out, data, model)
    logs = loggers(log or [], target)
    epochs = _epochs(len(learn), batch_size) if epochs is None else epochs
    workers = _workers(data) if workers is None else workers
    current = backends.current()
    parameters = sum(p.numel() for p in network.parameters())
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    frozen = "" if learning == parameters else f", {parameters - learning:,} of them frozen"
    say(console, f"Training {model} ({parameters:,} parameters{frozen}) on {data}: "
                 f"{counted(len(learn), 'image')} of {' x '.join(map(str, learn.image_shape))}, "
                 f"{len(held_out):,} held out, {len(classes)} classes; "
                 f"backend {current.name}{_tables(current)}")
    everything = settings_of(context) | {"epochs": epochs, "out": str(target), "workers": workers}
    facts = {"data": data, "batch_size": batch_size, "lr": lr, "optimizer": optimizer, "seed": seed,
             "backend": current.name,
             **{name: value for name, value in (
                 ("augment", augment), ("schedule", schedule), ("early_stopping", early_stopping),
                 ("weight_decay", weight_decay), ("class_weight", class_weight),
                 ("shards", shards), ("pretrained", pretrained), ("freeze", freeze),
                 ("precision", None if precision == "32-true" else precision)) if value}}
    stopping = None if early_stopping is None else EarlyStopping("val_loss", patience=early_stopping)
    with checkpointing(console, target, everything, resume, accept_changes,
                       command_line(context, "--resume"), prepare=distributed.rank() == 0) as saving:
        _fit_and_save(console, network, split, target, epochs, facts, saving, stopping, workers, logs)


def _fit_and_save(console: Console, network: Any, split: Parts, target: Path, epochs: int,
                  facts: dict[str, Any], saving: Saving, stopping: EarlyStopping | None,
                  workers: int, logs: list[Callback]) -> None:
    """Train and save; no signal and no error loses what was learnt.

    During `fit` the first Ctrl-C, SIGTERM or SIGHUP stops after the batch, a second one at once. After `fit`
    it takes effect only once the model is saved.
    """
    from cnnkit import distributed, functional
    from cnnkit import train as training
    from cnnkit.data import DataLoader
    from cnnkit.data.transforms import named
    from cnnkit.evaluation.evaluate import batches, measure
    from cnnkit.models import save_model
    from cnnkit.train.checkpoints import CheckpointWarning, numbered
    from cnnkit.train.identity import ResumeError
    from cnnkit.train.interrupt import Interrupt
    from cnnkit.train.progress import Bar, Lines

    class Rows(training.callbacks.Callback):
        """Holds the run, also one that an error ends."""

        run: training.Run | None = None

        def on_train_start(self, run: training.Run) -> None:
            self.run = run
            saving.begin()
            interrupt.arm()

        @property
        def learnt(self) -> bool:
            """Whether the model has learnt anything."""
            return self.run is not None and self.run.step > 0

    checkpoint = saving.checkpoint
    learn: Any = split.learn
    classes, images = list(learn.classes or []), tuple(learn.image_shape)
    if workers:
        changes = facts.get("augment") and named(facts["augment"], images, len(classes))
        learn = DataLoader(learn, batch_size=facts["batch_size"], shuffle=True, seed=facts["seed"],
                           num_workers=workers, augment=changes)
    progress, rows = (Bar if console.is_terminal else Lines)(console), Rows()
    start = time.perf_counter()
    with Interrupt(armed=False) as interrupt, warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        warnings.showwarning = lambda message, *_, **__: (  # type: ignore[assignment]
            error_screen().print(f"cnnkit: {message}"))
        try:
            history = training.fit(network, learn, epochs=epochs, batch_size=facts["batch_size"],
                                   optimizer=facts["optimizer"], lr=facts["lr"],
                                   weight_decay=facts.get("weight_decay"), validation=split.held_out,
                                   seed=facts["seed"], augment=None if workers else facts.get("augment"),
                                   class_weight=facts.get("class_weight"), shards=facts.get("shards"),
                                   precision=facts.get("precision", "32-true"),
                                   progress=progress, scheduler=facts.get("schedule"), resume=saving.resume,
                                   resume_changes="warn" if saving.accept_changes else "refuse",
                                   callbacks=[rows, checkpoint, *([] if stopping is None else [stopping]),
                                              *logs])
            if history.interrupted and not rows.learnt:
                interrupt.end(history.signal)
            failure: BaseException | None = None
        except ResumeError as error:
            accept = ", add --accept-changes to go on with these" if error.acceptable else ""
            raise ValueError(f"--resume: {error.problem}; give the options and the data that the run began "
                             f"with{accept}, or leave --resume out to begin anew") from None
        except FloatingPointError:  # weights that are no numbers are not worth a file
            raise
        except BaseException as error:
            if rows.run is None or not rows.learnt:
                raise
            history, failure = training.History(rows.run.history.epochs[:rows.run.epoch],
                                                interrupted=True), error
        finally:
            if distributed.rank() == 0 and not numbered(checkpoint.folder):
                clear(checkpoint.folder)
        seconds = time.perf_counter() - start
        whole_epochs = sum(row.val_loss is not None for row in history)

        def save(accuracy: float | None) -> Path:
            if distributed.rank() > 0:
                return target  # which the first process writes
            try:
                training_facts = {**facts, "epochs": whole_epochs, "interrupted": history.interrupted}
                # no times: the same command gives the same file, to the bit
                epochs_done = [{name: value for name, value in row.items() if name not in TIMES}
                               for row in history.as_dicts()]
                return save_model(network, target, classes, accuracy=accuracy, history=epochs_done,
                                  training=training_facts, held_out=split.record,
                                  input_shape=None if "input_shape" in network.config else images)
            except OSError as error:
                raise ValueError(f"the model {target} could not be written ({error.strerror or error}): "
                                 "free some space and give the same command with --resume, "
                                 "which goes on from the last checkpoint") from None

        # whether the model has the weights of the best epoch, not of the last
        best = stopping is not None and stopping.best_epoch > 0 and not history.interrupted
        best_index = stopping.best_epoch - 1 if best and stopping is not None else -1
        accuracy = history[best_index].val_accuracy if len(history) and failure is None else None
        if failure is not None:
            _report(failure, save, f"epoch {min(whole_epochs + 1, epochs)} of {epochs}")
        saved = save(accuracy)
        status, output = _ending(history, rows.run)
        if output is not None:
            console = output
        if accuracy is None and not interrupt.stopped and not status:
            loader = batches(split.held_out, 256)
            scores = measure(network, loader, functional.cross_entropy, lambda done: interrupt.stopped)
            accuracy = None if scores is None else scores.accuracy
            saved = save(accuracy)
        if not history.interrupted:
            if distributed.rank() == 0:
                clear(checkpoint.folder)
        elif history.checkpoint is None and rows.run is not None:
            reason = rows.run.reason or rows.run.interrupt.reason
            say(console, f"Stopped {reason} in epoch {min(whole_epochs + 1, epochs)} of {epochs}; "
                         "what was learnt is kept.")
        if best and stopping is not None and (stopping.stopped_epoch or stopping.best_epoch < whole_epochs):
            ended = "Stopped early after" if stopping.stopped_epoch else "Done with"
            say(console, f"{ended} epoch {whole_epochs}: "
                         f"the model has the weights of epoch {stopping.best_epoch}, its best.")
    figure = "not measured" if accuracy is None else f"{accuracy:.4f}"
    done = counted(whole_epochs, "whole epoch" if history.interrupted else "epoch")
    say(console, f"Held-out accuracy {figure} after {done} in {seconds:.1f} s")
    console.print(f"Model saved to {saved}", soft_wrap=True)
    if status:
        raise typer.Exit(status)


def _report(failure: BaseException, save: Callable[[float | None], Path], epoch: str) -> NoReturn:
    """Save the model of a run that an error ended, or a second signal, and say where it is."""
    try:
        saved = f"the model as it was then is saved to {save(None)}"
    except (ValueError, MemoryError) as another:
        saved = f"the model could not be saved: {another}"
    if isinstance(failure, Exception):
        failure.__notes__ = [saved, *vars(failure).get("__notes__", [])]  # the command comes last
        raise failure
    status = failure.code if isinstance(failure, SystemExit) else None
    raise Ended(with_notes(failure, f"interrupted in {epoch}; {saved}"),
                status if isinstance(status, int) else 128 + signal.SIGINT)


def _ending(history: History, run: Run | None) -> tuple[int, Console | None]:
    """The exit status after training, and where messages go if their place has been closed."""
    from cnnkit.train.progress import Guarded

    error = run.reporter.error if run is not None and isinstance(run.reporter, Guarded) else None
    output = None if error is None else error_screen()
    if history.interrupted and history.signal not in (None, signal.SIGINT):
        return 128 + history.signal, output
    return 128 + PIPE if isinstance(error, BrokenPipeError) else 0, output


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line or in the file of settings."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _epochs(images: int, batch_size: int) -> int:
    """Few images need many epochs: as many as give about `UPDATES` updates, within `FEWEST` and `MOST`."""
    return min(MOST, max(FEWEST, round(UPDATES / math.ceil(images / batch_size))))


def _workers(data: str) -> int:
    """Decoding image files keeps threads busy; arrays are read faster without."""
    from cnnkit.data import SOURCES

    folder = data not in SOURCES and Path(data).is_dir()
    return min(4, os.cpu_count() or 1) if folder else 0


def _tables(backend: Any) -> str:
    from cnnkit import backends

    served = [t.name for t in backends.kernel_tables(backend.name) if t.available() is True]
    return f" ({', '.join(served)} kernels)" if served else ""


def _target(out: Path | None, data: str, model: str) -> Path:
    """Where the model goes: checked before the training, not after it."""
    if out is not None and out.name in ("", ".."):
        raise ValueError(f"--out {str(out)!r} names no file; give one such as models/net")
    target = out or Path("models") / f"{_name(data)}-{model}"
    target = target if target.suffix == ".safetensors" else target.with_name(f"{target.name}.safetensors")
    if target.is_dir():
        raise ValueError(f"--out: {target} is a folder; name a file in it")
    try:
        storage.make_folder(target.parent)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ValueError(f"--out: no file can be written to the folder {target.parent} ({error.strerror}); "
                         "name another with --out") from None
    return target


def _name(data: str) -> str:
    path = Path(data)
    return (path.resolve().name if path.is_dir() else path.stem) or "data"
