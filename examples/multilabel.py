"""Several labels an image: which of a disc, a square and a cross are there; any of them, or none.

    python examples/multilabel.py

Targets (N, 3) are numbers, 1 where a shape is there, and the loss is binary cross-entropy of scores. What it
prints is measured on images that it has not seen.
"""

from __future__ import annotations

import numpy as np
import shapes

import cnnkit
from cnnkit import nn, random, train
from cnnkit.autograd import Tensor


def binary_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """The mean of -log(sigmoid(score)) where a label is 1, of -log(1 - sigmoid(score)) where it is 0.

    In a form that no score overflows, as PyTorch's ``binary_cross_entropy_with_logits`` has it.
    """
    return (scores.relu() - scores * targets + (1 + (-scores.abs()).exp()).log()).mean()


def network() -> nn.Sequential:
    """From images (N, 1, 32, 32) to a score for each label."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, len(shapes.NAMES)))


def labels(centres: np.ndarray) -> np.ndarray:
    """1 for each shape that is there."""
    return (~np.isnan(centres[..., 0])).astype("float32")


def main(arguments: list[str] | None = None) -> None:
    """Train, and print how many labels are right."""
    options = shapes.options(__doc__, epochs=10).parse_args(arguments)
    images, _, centres = shapes.drawn(options.images, options.seed)
    new_images, _, new_centres = shapes.drawn(400, options.seed + 1)
    random.seed(options.seed)
    model = network()
    train.fit(model, (images, labels(centres)), epochs=options.epochs, lr=0.003, seed=options.seed,
              loss=binary_cross_entropy, augment="flip,vflip", progress=False)
    with cnnkit.no_grad():
        found = model.eval()(cnnkit.tensor(new_images)).numpy() > 0
    right, shares = found == labels(new_centres), labels(new_centres).mean(axis=0)
    print(f"labels right: {right.mean():.3f}, and by the more frequent answer: "
          f"{np.maximum(shares, 1 - shares).mean():.3f}")
    print(f"images with all labels right: {right.all(axis=1).mean():.3f}")


if __name__ == "__main__":
    main()
