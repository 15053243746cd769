"""Overfitting on 500 images of Fashion-MNIST, and the guide's remedies: augmentation, dropout, L2, all three.

    python examples/overfitting.py [--write]

The guide: "Overfitting on small datasets", "Use data augmentation (rotation, flipping, cropping)", "Add
dropout and L2 regularization to prevent overfitting". The guide's common CNN is trained with each remedy for
the same number of epochs. Each remedy has the strength with the best accuracy on 10,000 other training
images, which `--choose` prints, so no test image influences it.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import images
import numpy as np
import tables

from cnnkit import models, optim, random, train
from cnnkit.data import ArrayDataset, Dataset, Subset, random_split

SUBSET_SIZE = 500
AUGMENT, DROPOUT, L2 = "flip,crop=2", 0.5, 2e-2
REMEDIES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "augmentation": {"augment": AUGMENT},
    "dropout": {"dropout": DROPOUT},
    "L2": {"weight_decay": L2},
    "all three": {"augment": AUGMENT, "dropout": DROPOUT, "weight_decay": L2}}
CHOICES: dict[str, tuple] = {
    "augment": (None, "flip", "flip,crop=1", "flip,crop=2", "flip,rotate=5,crop=1", "flip,rotate=10,crop=2"),
    "dropout": (0.25, 0.5, 0.75), "weight_decay": (1e-3, 5e-3, 2e-2)}
CHOICE_SEED = 100  # of the runs of `--choose`


def training_subset(images: Dataset, seed: int) -> Subset:
    """The training images of a seed."""
    n = min(SUBSET_SIZE, len(images) // 2)
    return random_split(images, [n, len(images) - n], seed)[0]


def accuracies(training: Dataset, test: Any, epochs: int, seed: int, *, augment: str | None = None,
               dropout: float = 0.0, weight_decay: float = 0.0) -> tuple[float, float]:
    """Accuracy of a trained network on the training images, not augmented, and on the test images."""
    random.seed(seed)
    model = models.CNN((1, 28, 28), dropout=dropout)  # without dropout the common CNN
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=weight_decay)
    train.fit(model, training, epochs=epochs, optimizer=optimizer, scheduler="cosine", seed=seed,
              augment=augment, progress=False)
    return train.evaluate(model, training).accuracy, train.evaluate(model, test).accuracy


def choose(images: ArrayDataset, epochs: int) -> None:
    """Print the accuracy with each strength of each remedy, on images that are held out of training."""
    training = training_subset(images, CHOICE_SEED)
    rest = np.setdiff1d(np.arange(len(images)), training.indices)
    held_out = Subset(images, rest[:10_000])
    for name, strengths in CHOICES.items():
        for strength in strengths:
            learnt, other = accuracies(training, held_out, epochs, CHOICE_SEED, **{name: strength})
            print(f"{name} {strength}: {other:.4f} (images learnt from {learnt:.4f})", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Train, print the table, and with ``--write`` put it into the page."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 100, "help": "of every run"},
                            choose={"action": "store_true",
                                    "help": "print what strengths of the remedies give, and nothing else"})
    report = tables.Report("overfitting", parser, arguments)
    if report.options.tiny:
        report.options.epochs = 1
    training, test = images.training_and_test("FashionMNIST", report.options.tiny)
    if report.options.choose:
        choose(training, report.options.epochs)
        return
    rows = []
    for name, settings in REMEDIES.items():
        runs = [accuracies(training_subset(training, seed), test, report.options.epochs, seed, **settings)
                for seed in report.options.seeds]
        learnt, held_out = (mean(figures) for figures in zip(*runs))
        rows.append([name, *tables.with_mean([other for _, other in runs]), learnt, learnt - held_out])
    report.say(f"The common CNN on {SUBSET_SIZE} images of Fashion-MNIST (each seed draws its own), "
               f"SGD 0.05 with momentum 0.9, cosine schedule, batch 32, {report.options.epochs} epochs; "
               f"augmentation `{AUGMENT}`, dropout {DROPOUT}, L2 as weight decay {L2}. Accuracy on the "
               "10,000 test images, then that on the images learnt from, as they are, and the gap:")
    report.table(["remedy", *(f"seed {seed}" for seed in report.options.seeds), "mean", "learnt from", "gap"],
                 rows)
    report.close()


if __name__ == "__main__":
    main()
