"""LeNet-5 on MNIST: at most 0.95 % test error, as published without distortions (LeCun et al. 1998).

    python examples/mnist_lenet5.py [--write]
    python examples/mnist_lenet5.py --validate      how the recipe was chosen: accuracy on held-out images
"""

from __future__ import annotations

from published import Recipe, Target
from published import main as published

from cnnkit import nn


def lenet5() -> nn.Module:
    """LeNet-5's sizes, with ReLU, max pooling, a full second convolution and a dense end; 61,706 weights."""
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
                         nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(),
                         nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


TARGETS = {"lenet5": Target("LeNet-5, no distortions", 0.9905, lenet5, Recipe(epochs=12, lr=4e-3))}


def main(arguments: list[str] | None = None) -> None:
    """Train, print the table, and with ``--write`` put it into the page."""
    published("mnist_lenet5", __doc__, "MNIST", TARGETS, arguments)


if __name__ == "__main__":
    main()
