"""Training to a figure that others have published: recipes, runs that can be resumed, and their table.

A recipe is chosen by `--validate`, which trains on five sixths of the training images and prints the
accuracy on the sixth. A run for the table trains on all of them, and the test images are used once, after
the last epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import images
import tables

import cnnkit
from cnnkit import nn, optim, random, train
from cnnkit.data import Dataset
from cnnkit.train.callbacks import Checkpoint

FOLDER = Path("models") / "published"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, by AdamW with the one-cycle schedule: the settings that vary."""

    epochs: int
    lr: float
    batch_size: int = 128
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    augment: str | None = None


@dataclass(frozen=True)
class Target:
    """A published figure: its description, the accuracy, our network for it, and how that is trained."""

    claim: str
    accuracy: float
    net: Callable[[], nn.Module]
    recipe: Recipe


def trained(target: Target, recipe: Recipe, training: Dataset, seed: int,
            **fit_arguments: Any) -> tuple[nn.Module, train.History]:
    """A trained network and its history."""
    random.seed(seed)
    model = target.net()
    optimizer = optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    return model, train.fit(model, training, epochs=recipe.epochs, batch_size=recipe.batch_size,
                            optimizer=optimizer, loss=loss, augment=recipe.augment, scheduler="one-cycle",
                            seed=seed, **fit_arguments)


def result(target: Target, recipe: Recipe, parts: tuple[Dataset, Dataset], seed: int, folder: Path) -> None:
    """Train a network, or resume a stopped run in `folder`, and record the test accuracy there."""
    if recorded(recipe, folder) is not None:
        return
    training, test = parts
    print(f"{target.claim}, seed {seed}, into {folder}:")
    model, history = trained(target, recipe, training, seed, callbacks=[Checkpoint(folder)], resume=True)
    if history.interrupted:
        raise SystemExit("stopped; the same command goes on")
    figures = {"accuracy": train.evaluate(model, test).accuracy, "seconds": sum(history["seconds"])}
    (folder / "result.json").write_text(json.dumps({"recipe": asdict(recipe), **figures}), encoding="utf-8")


def recorded(recipe: Recipe, folder: Path) -> dict[str, Any] | None:
    """What `result` recorded in a folder, or ``None``; an error if that was with another recipe."""
    file = folder / "result.json"
    if not file.exists():
        return None
    record = json.loads(file.read_text(encoding="utf-8"))
    if (other := Recipe(**record["recipe"])) != recipe:
        raise SystemExit(f"{folder} holds a run with {other}, not with {recipe}; "
                         "remove it, or give another --folder")
    return record


def main(name: str, document: str, data: str, targets: Mapping[str, Target],
         arguments: list[str] | None = None) -> None:
    """Run a script's command line.

    Parameters
    ----------
    name, document : str
        The script's name, and its docstring.
    data : {"FashionMNIST", "MNIST"}
        The images.
    targets : mapping of str to Target
        The targets by the names that ``--nets`` takes.
    arguments : list of str, optional
        The command line's arguments.
    """
    parser = tables.options(
        document,
        nets={"nargs": "+", "choices": list(targets), "default": list(targets), "help": "train these only"},
        folder={"type": Path, "default": FOLDER, "help": "where runs are kept, and go on from (%(default)s)"},
        validate={"action": "store_true",
                  "help": "train on five sixths of the training images, show the accuracy on the rest"})
    parser.add_argument("--no-training", action="store_true",
                        help="only make the table of the runs that are done")
    report = tables.Report(name, parser, arguments)
    options = report.options
    parts = images.training_and_test(data, options.tiny)
    recipes = {net: Recipe(**{**asdict(target.recipe), "epochs": 1}) if options.tiny else target.recipe
               for net, target in targets.items()}
    if options.validate:
        training, held_out = images.training_and_validation(parts[0])
        for net in options.nets:
            for seed in options.seeds:
                _, history = trained(targets[net], recipes[net], training, seed,
                                     validation=held_out, progress=False)
                print(f"{net}, seed {seed}: {history[-1].val_accuracy:.4f} of the held-out images after "
                      f"{recipes[net]}", flush=True)
        return

    def folder(net: str, seed: int) -> Path:
        return options.folder / f"{name}-{net}-{seed}{'-tiny' * options.tiny}"

    for net in [] if options.no_training else options.nets:
        for seed in options.seeds:
            result(targets[net], recipes[net], parts, seed, folder(net, seed))
    rows, seconds = [], 0.0
    for net, target in targets.items():
        runs = [recorded(recipes[net], folder(net, seed)) for seed in options.seeds]
        figures = tables.with_mean([run and run["accuracy"] for run in runs])
        seconds += sum(run["seconds"] for run in runs if run)
        verdict = None if figures[-1] is None else "reached" if figures[-1] >= target.accuracy else "missed"
        cost = cnnkit.summary(target.net(), (1, 28, 28))
        rows.append([net, target.claim, cost.parameters, *figures, target.accuracy, verdict, _minutes(runs)])
    report.say(f"Accuracy on {data}'s test images after the last epoch; "
               "the published figure is reached where the mean is as high:")
    report.table(["net", "published", "parameters", *(f"seed {seed}" for seed in options.seeds), "mean",
                  "to reach", "verdict", "minutes a run"], rows)
    if missing := [net for net, row in zip(targets, rows) if None in row]:
        report.say(f"What is not yet run: `python examples/{name}.py --nets {' '.join(missing)} --write`.")
    report.say('Trained on all training images with AdamW and `scheduler="one-cycle"`, and:')
    report.table(["net", *(field.name.replace("_", " ") for field in fields(Recipe))],
                 [[net, *(f"{value:g}" if isinstance(value, float) else value or "none"
                          for value in asdict(recipe).values())] for net, recipe in recipes.items()])
    report.seconds = seconds
    report.close()


def _minutes(runs: list[dict[str, Any] | None]) -> str | None:
    done = [run["seconds"] / 60 for run in runs if run]
    return f"{sum(done) / len(done):.1f}" if done else None
