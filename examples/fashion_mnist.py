"""Fashion-MNIST's published figures for networks of two convolutions, from its README's benchmark table.

    python examples/fashion_mnist.py [--nets pooling small batch_norm] [--seeds 0 1 2] [--write]
    python examples/fashion_mnist.py --validate     how a recipe was chosen: accuracy on held-out images

A run that is stopped goes on with the same command.
"""

from __future__ import annotations

from published import Recipe, Target
from published import main as published

from cnnkit import models

TARGETS = {
    "pooling": Target("2 conv + pooling", 0.916,
                      lambda: models.CNN((1, 28, 28), conv=[(16, 3), (32, 3)], dropout=0.5),
                      Recipe(epochs=15, lr=3e-3, batch_size=64, label_smoothing=0.1)),
    "small": Target("2 conv, < 100 K parameters", 0.925,
                    lambda: models.CNN((1, 28, 28), conv=[(48, 5), (96, 3)], hidden=[]),
                    Recipe(epochs=20, lr=4e-3, label_smoothing=0.1, augment="flip")),
    "batch_norm": Target("2 conv + pooling + batch norm", 0.934,
                         lambda: models.CNN((1, 28, 28), conv=[(64, 3), (128, 3)],
                                            hidden=[256], dropout=0.5, batch_norm=True),
                         Recipe(epochs=16, lr=4e-3, label_smoothing=0.1, augment="flip")),
}


def main(arguments: list[str] | None = None) -> None:
    """Train, print the table, and with ``--write`` put it into the page."""
    published("fashion_mnist", __doc__, "FashionMNIST", TARGETS, arguments)


if __name__ == "__main__":
    main()
