"""Sigmoid, tanh, ReLU and leaky ReLU in a ten-layer network: each layer's gradient, accuracy, dead ReLUs.

    python examples/activations.py [--write]

The guide: sigmoid "causes vanishing gradients", ReLU "avoids" them, leaky ReLU is "used when neurons die
in ReLU". Every network begins with Kaiming's weights for its activation, so that the activation is the
only difference.
"""

from __future__ import annotations

from statistics import mean

import images
import tables

from cnnkit import models, nn, random, train
from cnnkit.data import Dataset, Subset
from cnnkit.train import History
from cnnkit.train.callbacks import Diagnose

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")
LR, TOO_HIGH = 1e-3, 3e-2  # Adam's learning rate, and one at which ReLUs die


def ten_layers(activation: str = "relu") -> models.CNN:
    """Eight convolutions of eight filters and two dense layers, for images of 28 x 28."""
    return models.CNN((1, 28, 28), conv=[(8, 3)] * 8, pool=[0, 2, 0, 2, 0, 0, 0, 0],
                      hidden=[32], activation=activation)


def kaiming(model: nn.Module, activation: str) -> None:
    """Draw all weights by Kaiming's rule, which keeps the variance with this activation; biases are 0."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity=activation, a=0.01)
        else:
            nn.init.zeros_(parameter)


def trained(parts: tuple[Dataset, Dataset], epochs: int, activation: str, lr: float,
            seed: int) -> tuple[Diagnose, History, float]:
    """The measurements at each epoch's first update, the history, and the accuracy on the test images."""
    training, test = parts
    random.seed(seed)
    model, diagnose = ten_layers(activation), Diagnose()
    kaiming(model, activation)
    history = train.fit(model, training, epochs=epochs, batch_size=64, lr=lr, seed=seed,
                        callbacks=[diagnose], progress=False)
    return diagnose, history, train.evaluate(model, test).accuracy


def gradient_norms(diagnose: Diagnose) -> list[float]:
    """The norm of each layer's gradient at the first update of all."""
    return [row["gradient"] for row in diagnose.probes[0]["layers"] if row["gradient"] is not None]


def dead_share(diagnose: Diagnose) -> float:
    """The mean share, over the layers, of ReLU channels that are 0 for a whole batch in the last epoch."""
    return mean(row["dead"] for row in diagnose.probes[-1]["layers"] if row["dead"] is not None)


def main(arguments: list[str] | None = None) -> None:
    """Train, print the tables, and with ``--write`` put them into the page."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 4, "help": "of every network"})
    report = tables.Report("activations", parser, arguments)
    seeds, columns = report.options.seeds, [f"seed {seed}" for seed in report.options.seeds]
    training, test = images.training_and_test("FashionMNIST", report.options.tiny)
    parts = Subset(training, range(min(len(training), 10_000))), test
    runs = {(activation, lr): [trained(parts, report.options.epochs, activation, lr, seed) for seed in seeds]
            for activation in ACTIVATIONS for lr in ([LR, TOO_HIGH] if "relu" in activation else [LR])}

    names = [name.rsplit(".", 2)[1] for name, p in ten_layers().named_parameters() if p.ndim > 1]
    rows = []
    for activation in ACTIVATIONS:
        norms = [gradient_norms(diagnose) for diagnose, _, _ in runs[activation, LR]]
        rows += [[f"{activation}, {column}", *row, row[0] / row[-1]]
                 for column, row in zip([*columns, "mean"], [*norms, list(map(mean, zip(*norms)))])]
    report.say("Norm of the gradient of each layer's weights at the first update, before anything is learnt "
               f"(Fashion-MNIST, {len(names)} layers, Kaiming's weights for each activation, batch 64), "
               "and the first layer's over the last's:")
    report.table(["activation", *names, f"{names[0]} / {names[-1]}"], rows)

    report.say(f"Accuracy on the test images after {report.options.epochs} epochs of 10,000 images with "
               "Adam, and what `fit(diagnose=True)` named (in how many of the runs):")
    report.table(["activation", "lr", *columns, "mean", "diagnosis"],
                 [[activation, f"{lr:g}", *tables.with_mean([accuracy for _, _, accuracy in run]),
                   findings([history for _, history, _ in run])] for (activation, lr), run in runs.items()])

    report.say("Dead ReLUs: the share of channels that were 0 for a whole batch when the last epoch began, "
               "mean of nine layers:")
    shares = {lr: [dead_share(diagnose) for diagnose, _, _ in runs["relu", lr]] for lr in (LR, TOO_HIGH)}
    report.table(["activation", "lr", *columns, "mean"],
                 [["relu", f"{lr:g}", *tables.with_mean(row)] for lr, row in shares.items()])
    report.close()


def findings(histories: list[History]) -> str:
    """What the diagnoses of several runs found, and how often."""
    names = [finding.name for history in histories for finding in history.diagnosis.findings]
    return ", ".join(f"{name} ({names.count(name)})" for name in dict.fromkeys(names)) or "nothing"


if __name__ == "__main__":
    main()
