"""SimpleCNN, one image a step: images per second, and how many times as fast as the guide's own listing.

``python asv_benchmarks/benchmarks/simple_cnn.py LISTING`` prints both, in turns in one process; LISTING is a
Python file with the guide's class ``SimpleCNN`` (``forward(X)`` and ``backward(X, y)``), repaired just
enough to run.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time

import numpy as np

from cnnkit import models


class SimpleCNNStep:
    """The guide's class on images of 28 x 28."""

    def setup(self):
        rng = np.random.default_rng(1)
        self.images, self.labels = rng.random((200, 28, 28)), rng.integers(0, 10, 200)
        self.net = models.SimpleCNN()

    def time_train_200_images(self):
        self.net.train(self.images, self.labels, epochs=1, verbose=False)


def main(listing: str) -> None:
    """Print the medians of nine turns each, and the median of the ratios."""
    spec = importlib.util.spec_from_file_location("listing", listing)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs, ours = module.SimpleCNN(), SimpleCNNStep()
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
    main(sys.argv[1])
