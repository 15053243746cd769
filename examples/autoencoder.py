"""An autoencoder: digits of 8 x 8 pixels through eight numbers, and back.

    python examples/autoencoder.py [--save pictures.png]

The targets of `train.fit` are the images themselves. What it prints is measured on images that it has not
seen, beside what as many principal components lose.
"""

from __future__ import annotations

import numpy as np
import shapes

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, random, train
from cnnkit.data import datasets, save_image

NUMBERS = 8  # that an image becomes


def network() -> nn.Sequential:
    """From images (N, 1, 8, 8) to `NUMBERS` numbers, and back to images."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, NUMBERS, 4), nn.ConvTranspose2d(NUMBERS, 32, 4), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 2, stride=2), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid())


def components(images: np.ndarray, new: np.ndarray) -> np.ndarray:
    """New images through the first principal components of others."""
    rows, mean = images.reshape(len(images), -1), images.mean(axis=0).ravel()
    axes = np.linalg.svd(rows - mean, full_matrices=False)[2][:NUMBERS]
    return (mean + (new.reshape(len(new), -1) - mean) @ axes.T @ axes).reshape(new.shape)


def main(arguments: list[str] | None = None) -> None:
    """Train, print the errors, and write what became of some images."""
    parser = shapes.options(__doc__, epochs=30)
    parser.add_argument("--save", help="a file for the first images and what became of them")
    options = parser.parse_args(arguments)
    parts = datasets.digits(train=True), datasets.digits(train=False)
    images, new = (part.batch(range(len(part)))[0] for part in parts)
    images = images[:options.images]
    random.seed(options.seed)
    model = network()
    train.fit(model, (images, images), epochs=options.epochs, lr=0.003, seed=options.seed, loss=F.mse_loss,
              scheduler="cosine", progress=False)
    with cnnkit.no_grad():
        back = model.eval()(cnnkit.tensor(new)).numpy()
    for name, pictures in ((f"{NUMBERS} numbers", back), (f"{NUMBERS} components", components(images, new)),
                           ("the mean image", images.mean(axis=0))):
        print(f"mean squared error of {name}: {((pictures - new) ** 2).mean():.4f}")
    if options.save:
        save_image([*new[:16], *back[:16]], options.save, nrow=16)


if __name__ == "__main__":
    main()
