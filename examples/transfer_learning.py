"""Transfer learning on 500 photographs of signed digits: SqueezeNet's ImageNet weights, and random ones.

    python examples/transfer_learning.py [--methods frozen untrained partly tuned random] [--write]

1,062 photographs of hands in ten classes (`sign_digits_64.npz` in the folder that CNNKIT_DATA names),
enlarged to 224 x 224 as the weights want it. Seed s takes 500 of them to learn from, the first of
``default_rng(s).permutation``, and measures on the other 562. Features of layers that stay as they are, are
computed once. With `--cache FOLDER` they are kept, and so is each figure, with its seconds: the same command
goes on where it was stopped.
"""

from __future__ import annotations

import functools
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tables

from cnnkit import features_at, models, nn, optim, random, train, transfer
from cnnkit.data import ArrayDataset, InputWarning, Preprocessing
from cnnkit.transfer_learning import parameter_groups

LEARNT_FROM = 500
SEEDS = [0, 1, 2, 3, 4]
CLASSES = 10
LAST_FIRES = ("features.11", "features.12")  # the network's last two Fire modules


def photographs(tiny: bool) -> ArrayDataset:
    """The photographs, with the transform that the weights want."""
    with np.load(Path(os.environ["CNNKIT_DATA"]) / "sign_digits_64.npz") as file:
        images, labels = file["x"], file["y"]
    few = slice(0, None, 40) if tiny else slice(None)
    wanted = models.weights.get("squeezenet1_1").preprocessing
    prepare = Preprocessing((224, 224), None, wanted.mean, wanted.std, wanted.channel_order, wanted.scale)
    return ArrayDataset(images[few], labels[few], CLASSES, prepare)


def split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the photographs to learn from, and of the others."""
    order = np.random.default_rng(seed).permutation(count)
    first = min(LEARNT_FROM, count // 2)
    return order[:first], order[first:]


@functools.cache
def features(data: ArrayDataset, layer: str, pool: bool, cache: str | None) -> tuple[np.ndarray, np.ndarray]:
    """What a layer of the trained network makes of all photographs, and their labels."""
    return features_of(models.squeezenet1_1(weights="squeezenet1_1"), data, layer, pool, cache)


def features_of(network: nn.Module, data: ArrayDataset, layer: str, pool: bool,
                cache: str | None) -> tuple[np.ndarray, np.ndarray]:
    """What a layer of a network makes of all photographs, and their labels."""
    found = features_at(network, layer, pool=pool).dataset(data, batch_size=32, cache=cache)
    return found.inputs, found.targets


def accuracy(model: nn.Module, learn: Any, test: Any, seed: int, epochs: int, optimizer: optim.Optimizer,
             **settings: Any) -> float:
    """Of a model on the test images, after training."""
    train.fit(model, learn, epochs=epochs, optimizer=optimizer, seed=seed, scheduler="cosine",
              progress=False, **settings)
    return train.evaluate(model, test).accuracy or 0.0


def frozen(data: ArrayDataset, seed: int, options: Any) -> float:
    """A linear head on the features before SqueezeNet's own, averaged over the picture."""
    return linear_head(*features(data, "features", True, options.cache), seed, options)


def untrained(data: ArrayDataset, seed: int, options: Any) -> float:
    """The same head on the same features of a network with random weights."""
    random.seed(seed)
    return linear_head(*features_of(models.squeezenet1_1(), data, "features", True, None), seed, options)


def linear_head(x: np.ndarray, y: np.ndarray, seed: int, options: Any) -> float:
    """Accuracy of a linear layer on standardised features."""
    learn, test = split(len(x), seed)
    scale = x[learn].std(axis=0) + 1e-6
    x = (x - x[learn].mean(axis=0)) / scale
    random.seed(seed)
    head = nn.Linear(x.shape[1], CLASSES)
    optimizer = optim.AdamW(head.parameters(), 1e-2, weight_decay=0.1)
    return accuracy(head, (x[learn], y[learn]), (x[test], y[test]), seed, 3 if options.tiny else 60,
                    optimizer, batch_size=50)


def partly(data: ArrayDataset, seed: int, options: Any) -> float:
    """The last two Fire modules learn on, and a new head of SqueezeNet's kind; all before is frozen."""
    x, y = features(data, "features.10", False, options.cache)
    learn, test = split(len(x), seed)
    random.seed(seed)
    network = transfer(models.squeezenet1_1(weights="squeezenet1_1"), CLASSES)
    end = nn.Sequential(*[network.get_submodule(name) for name in LAST_FIRES], network.classifier,
                        nn.Flatten())
    end.requires_grad_(True)
    optimizer = optim.AdamW(parameter_groups(end, {"2": 1e-3}, lr=1e-4), weight_decay=1e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # maps are no pictures, whose numbers go from 0 to 1
        return accuracy(end, (x[learn], y[learn]), (x[test], y[test]), seed, options.epochs, optimizer)


def tuned(data: ArrayDataset, seed: int, options: Any) -> float:
    """All of the network learns on, its head ten times as fast."""
    return whole_network(data, seed, options, "squeezenet1_1")


def from_random(data: ArrayDataset, seed: int, options: Any) -> float:
    """The same network from random weights."""
    return whole_network(data, seed, options, None)


def whole_network(data: ArrayDataset, seed: int, options: Any, weights: str | None) -> float:
    """Accuracy of the network, all of which learns, from these weights."""
    learn, test = (ArrayDataset(data.data[part], data.targets[part], CLASSES, data.transform)
                   for part in split(len(data), seed))
    random.seed(seed)
    network = transfer(models.squeezenet1_1(weights=weights), CLASSES, freeze=None)
    optimizer = optim.AdamW(parameter_groups(network, {"head": 1e-3}, lr=1e-4 if weights else 1e-3),
                            weight_decay=1e-2)
    return accuracy(network, learn, test, seed, options.epochs, optimizer, augment="crop=16")


METHODS: dict[str, tuple[str, Callable[[ArrayDataset, int, Any], float]]] = {
    "frozen": ("frozen features and a linear head", frozen),
    "untrained": ("random weights, their frozen features and a linear head", untrained),
    "partly": ("fine-tuned: the last two Fire modules and the head", partly),
    "tuned": ("fine-tuned: everything", tuned),
    "random": ("random weights, everything learns", from_random)}


def figure(name: str, data: ArrayDataset, seed: int, options: Any) -> dict[str, float]:
    """The accuracy of a method and the seconds it took, computed now or by an earlier call of the script."""
    run = f"{name}-{options.epochs}-epochs-seed-{seed}{'-tiny' * options.tiny}"
    file = Path(options.cache or ".", f"{run}.json")
    if options.cache and file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    start = time.perf_counter()
    title, method = METHODS[name]
    found = {"accuracy": method(data, seed, options), "seconds": time.perf_counter() - start}
    print(f"{title}, seed {seed}: {found['accuracy']:.4f} after {found['seconds']:.0f} s", flush=True)
    if options.cache:
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train, print the table, and with ``--write`` put it into the page."""
    parser = tables.options(
        __doc__, epochs={"type": int, "default": 20, "help": "of the networks; the linear head has 60"},
        methods={"nargs": "+", "choices": list(METHODS), "default": list(METHODS),
                 "help": "the rows to fill; by default all"},
        cache={"default": None, "help": "a folder for features and figures; by default they are not kept"})
    parser.set_defaults(seeds=SEEDS)
    report = tables.Report("transfer_learning", parser, arguments)
    options = report.options
    options.epochs = 1 if options.tiny else options.epochs
    data = photographs(options.tiny)
    if options.cache:
        Path(options.cache).mkdir(parents=True, exist_ok=True)
    rows, report.seconds = [], 0.0
    for name, (title, _) in METHODS.items():
        figures: list[float | None] = [None] * len(options.seeds)
        for place, seed in enumerate(options.seeds if name in options.methods else ()):
            found = figure(name, data, seed, options)
            figures[place] = found["accuracy"]
            report.seconds += found["seconds"]
        rows.append([title, *tables.with_mean(figures)])
    report.say("SqueezeNet 1.1, photographs of signed digits at 224 x 224, 500 to learn from; AdamW with a "
               f"cosine schedule, {options.epochs} epochs (the linear head 60). Accuracy on the other 562:")
    report.table(["", *(f"seed {seed}" for seed in options.seeds), "mean"], rows)
    report.close()


if __name__ == "__main__":
    main()
