"""Regression: where in an image is the disc? The network answers with two numbers.

    python examples/regression.py

Targets (N, 2) are numbers, and the loss is the mean squared error. What it prints is measured on images that
it has not seen.
"""

from __future__ import annotations

import numpy as np
import shapes

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, random, train


def network() -> nn.Sequential:
    """From images (N, 1, 32, 32) to a row and a column, each from -1 to 1."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(32, 64, 5, stride=2, padding=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 2))


def with_disc(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a disc, and its place, from -1 to 1."""
    images, _, centres = shapes.drawn(count, seed)
    is_seen = ~np.isnan(centres[:, 0, 0])
    return images[is_seen], centres[is_seen, 0] / (shapes.SIZE / 2) - 1


def distance(places: np.ndarray, others: np.ndarray) -> float:
    """Mean distance in pixels."""
    return float(np.hypot(*(places - others).T).mean() * shapes.SIZE / 2)


def main(arguments: list[str] | None = None) -> None:
    """Train, and print how far from the disc's centre the answers are."""
    options = shapes.options(__doc__, epochs=12, images=3000).parse_args(arguments)
    images, places = with_disc(options.images, options.seed)
    new_images, new_places = with_disc(500, options.seed + 1)
    random.seed(options.seed)
    model = network()
    train.fit(model, (images, places), epochs=options.epochs, lr=0.002, seed=options.seed, loss=F.mse_loss,
              scheduler="cosine", progress=False)
    with cnnkit.no_grad():
        predicted = model.eval()(cnnkit.tensor(new_images)).numpy()
    print(f"pixels from the centre: {distance(predicted, new_places):.2f}, "
          f"and from the mean of all centres: {distance(places.mean(axis=0), new_places):.2f}")


if __name__ == "__main__":
    main()
