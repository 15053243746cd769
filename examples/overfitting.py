"""Overfitting on 500 images of Fashion-MNIST, and the guide's remedies: augmentation, dropout, L2
regularisation, all three.

    python examples/overfitting.py [--write]

The guide: "Overfitting on small datasets", "Use data augmentation (rotation, flipping, cropping)", "Add
dropout and L2 regularization to prevent overfitting". One network, the guide's common CNN, for as many epochs
with each; its strengths are those with the best accuracy on 10,000 other training images, which `--choose`
prints, so no test image has a say in them.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import images
import numpy as np
import tables

from cnnkit import models, optim, random, train
from cnnkit.data import ArrayDataset, Dataset, Subset, random_split

FEW = 500
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
OTHER_SEED = 100  # of the runs that choose


def few(learn: Dataset, seed: int) -> Subset:
    """The images that a seed learns from."""
    n = min(FEW, len(learn) // 2)
    return random_split(learn, [n, len(learn) - n], seed)[0]


def learnt(learn: Dataset, test: Any, epochs: int, seed: int, *, augment: str | None = None,
           dropout: float = 0.0, weight_decay: float = 0.0) -> tuple[float, float]:
    """Accuracy on the images learnt from, as they are, and on the test images."""
    random.seed(seed)
    model = models.CNN((1, 28, 28), dropout=dropout)  # without dropout the common CNN
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=weight_decay)
    train.fit(model, learn, epochs=epochs, optimizer=optimizer, scheduler="cosine", seed=seed,
              augment=augment, progress=False)
    return tuple(train.evaluate(model, part).accuracy for part in (learn, test))  # type: ignore[return-value]


def choose(learn: ArrayDataset, epochs: int) -> None:
    """Print what each strength of each remedy gives on training images that are not learnt from."""
    rest = np.setdiff1d(np.arange(len(learn)), few(learn, OTHER_SEED).indices)
    held_out = Subset(learn, rest[:10_000])
    for name, strengths in CHOICES.items():
        for strength in strengths:
            own, other = learnt(few(learn, OTHER_SEED), held_out, epochs, OTHER_SEED, **{name: strength})
            print(f"{name} {strength}: {other:.4f} (images learnt from {own:.4f})", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Train, print the table, and write it if that is asked for."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 100, "help": "of every run"},
                            choose={"action": "store_true",
                                    "help": "print what strengths of the remedies give, and nothing else"})
    report = tables.Report("overfitting", parser, arguments)
    if report.asked.tiny:
        report.asked.epochs = 1
    learn, test = images.learn_and_test("FashionMNIST", report.asked.tiny)
    if report.asked.choose:
        choose(learn, report.asked.epochs)
        return
    rows = []
    for name, settings in REMEDIES.items():
        runs = [learnt(few(learn, seed), test, report.asked.epochs, seed, **settings)
                for seed in report.asked.seeds]
        own, held_out = (mean(figures) for figures in zip(*runs))
        rows.append([name, *tables.each_and_mean([other for _, other in runs]), own, own - held_out])
    report.say(f"The common CNN on {FEW} images of Fashion-MNIST (each seed draws its own), "
               f"SGD 0.05 with momentum 0.9, cosine schedule, batch 32, {report.asked.epochs} epochs; "
               f"augmentation `{AUGMENT}`, dropout {DROPOUT}, L2 as weight decay {L2}. Accuracy on the "
               "10,000 test images, then that on the images learnt from, as they are, and the gap:")
    report.table(["remedy", *(f"seed {seed}" for seed in report.asked.seeds), "mean", "learnt from", "gap"],
                 rows)
    report.close()


if __name__ == "__main__":
    main()
