"""Bad initial weights against Kaiming's and Xavier's: the diagnosis of them, and accuracy at equal epochs.

    python examples/initialisation.py [--write]

The guide names "incorrect filter initialization" as a way to fail. The common CNN has four layers with
weights, the deep one ten.
"""

from __future__ import annotations

from collections.abc import Callable

import images
import tables
from activations import ten_layers

from cnnkit import models, nn, random, train
from cnnkit.autograd import Tensor
from cnnkit.data import Subset

init = nn.init
INITIALISATIONS: dict[str, Callable[[Tensor], object] | None] = {
    "all 0.01": lambda weight: init.constant_(weight, 0.01),
    "normal, deviation 0.001": lambda weight: init.normal_(weight, std=0.001),
    "normal, deviation 1": lambda weight: init.normal_(weight, std=1.0),
    "PyTorch's default": None,
    "Xavier, uniform": init.xavier_uniform_,
    "Kaiming, uniform": lambda weight: init.kaiming_uniform_(weight, nonlinearity="relu"),
}
NETS: dict[str, Callable[[], nn.Module]] = {"Common CNN": lambda: models.CommonCNN((1, 28, 28)),
                                            "Ten layers with ReLU": ten_layers}


def initialise(model: nn.Module, weights: Callable[[Tensor], object] | None) -> None:
    """Give all weights new values, and the biases 0; ``None`` leaves the layers' default values."""
    for parameter in model.parameters() if weights is not None else ():
        (weights if parameter.ndim > 1 else init.zeros_)(parameter)


def main(arguments: list[str] | None = None) -> None:
    """Train, print the tables, and with ``--write`` put them into the page."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 3, "help": "of every network"})
    report = tables.Report("initialisation", parser, arguments)
    seeds, epochs = report.options.seeds, report.options.epochs
    all_training, test = images.training_and_test("FashionMNIST", report.options.tiny)
    training = Subset(all_training, range(min(len(all_training), 10_000)))
    for net, make in NETS.items():
        rows = []
        for name, weights in INITIALISATIONS.items():
            accuracies, names = [], []
            for seed in seeds:
                random.seed(seed)
                model = make()
                initialise(model, weights)
                history = train.fit(model, training, epochs=epochs, batch_size=64, lr=1e-3, seed=seed,
                                    diagnose=True, progress=False)
                accuracies.append(train.evaluate(model, test).accuracy)
                names += [finding.name for finding in history.diagnosis.findings]
            findings = (", ".join(f"{finding} ({names.count(finding)})" for finding in dict.fromkeys(names))
                        or "nothing")
            rows.append([name, *tables.with_mean(accuracies), findings])
        report.say(f"{net}: accuracy on Fashion-MNIST's test images after {epochs} epochs of 10,000 images "
                   "(Adam 1e-3, batch 64), and what `fit(diagnose=True)` named (in how many of the runs):")
        report.table(["weights", *(f"seed {seed}" for seed in seeds), "mean", "diagnosis"], rows)
    report.close()


if __name__ == "__main__":
    main()
