"""SimpleCNN, one image a step: images per second, and how many times as fast as the guide's own listing.

``python -m benchmarks.simple_cnn``, in the folder asv_benchmarks, prints both, in turns in one process.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from cnnkit import models

from . import guide_listing


class SimpleCNNStep:
    """The guide's class on images of 28 x 28."""

    def setup(self):
        rng = np.random.default_rng(1)
        self.images, self.labels = rng.random((200, 28, 28)), rng.integers(0, 10, 200)
        self.net = models.SimpleCNN()

    def time_train_200_images(self):
        self.net.train(self.images, self.labels, epochs=1, verbose=False)


def main() -> None:
    """Print the medians of nine turns each, and the median of the ratios."""
    theirs, ours = guide_listing.SimpleCNN(), SimpleCNNStep()
    ours.setup()
    ours.time_train_200_images()
    rates = []
    for _ in range(9):
        start = time.perf_counter()
        for image, label in zip(ours.images[:5], ours.labels):
            theirs.forward(image)
            theirs.backward(image, label)
        middle = time.perf_counter()
        ours.time_train_200_images()
        rates.append((5 / (middle - start), 200 / (time.perf_counter() - middle)))
    slow, fast, ratio = (statistics.median(values) for values in zip(*[(a, b, b / a) for a, b in rates]))
    print(f"the guide's listing {slow:,.1f} images/s, cnnkit's SimpleCNN {fast:,.0f} images/s: "
          f"{ratio:.0f} times as fast")


if __name__ == "__main__":
    main()
