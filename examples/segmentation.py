"""Segmentation: a small U-Net says of each pixel whether it is of a disc, a square, a cross or of none.

    python examples/segmentation.py

Masks (N, H, W) of class numbers are the targets of `train.fit`, and cross-entropy is its loss. Random flips
move masks with their images. What it prints is measured on images that it has not seen.
"""

from __future__ import annotations

import numpy as np
import shapes

import cnnkit
from cnnkit import nn, random, train
from cnnkit.autograd import Tensor


class UNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015) of three sizes: what is seen at each is kept for the way back."""

    def __init__(self, classes: int, channels: int = 8):
        super().__init__()
        self.first, self.second = block(1, channels), block(channels, 2 * channels)
        self.lowest = block(2 * channels, 4 * channels)
        self.pool = nn.MaxPool2d(2)
        self.up_second = nn.ConvTranspose2d(4 * channels, 2 * channels, 2, stride=2)
        self.back_second = block(4 * channels, 2 * channels)
        self.up_first = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.back_first = block(2 * channels, channels)
        self.scores = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, classes, H, W) of images (N, 1, H, W)."""
        first = self.first(x)
        second = self.second(self.pool(first))
        x = self.up_second(self.lowest(self.pool(second)))
        x = self.up_first(self.back_second(cnnkit.cat([second, x], dim=1)))
        return self.scores(self.back_first(cnnkit.cat([first, x], dim=1)))


def block(before: int, after: int) -> nn.Sequential:
    """Two convolutions that keep the images' size."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
                         nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


def overlap(predicted: np.ndarray, masks: np.ndarray, label: int) -> float:
    """Intersection over union: pixels that have this class and were given it, over those with either."""
    return ((predicted == label) & (masks == label)).sum() / ((predicted == label) | (masks == label)).sum()


def main(arguments: list[str] | None = None) -> None:
    """Train, and print how well each class was found."""
    options = shapes.options(__doc__, epochs=6).parse_args(arguments)
    images, masks, _ = shapes.drawn(options.images, options.seed)
    new_images, new_masks, _ = shapes.drawn(200, options.seed + 1)
    random.seed(options.seed)
    model = UNet(classes=4)
    train.fit(model, (images, masks), epochs=options.epochs, lr=0.01, seed=options.seed,
              augment="flip,vflip", progress=False)
    with cnnkit.no_grad():
        predicted = model.eval()(cnnkit.tensor(new_images)).numpy().argmax(axis=1)
    print(f"pixels right: {(predicted == new_masks).mean():.3f}, "
          f"and if all were background: {(new_masks == 0).mean():.3f}")
    for label, name in enumerate(("background", *shapes.NAMES)):
        print(f"intersection over union, {name}: {overlap(predicted, new_masks, label):.3f}")


if __name__ == "__main__":
    main()
