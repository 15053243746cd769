"""How much of a training step's speed is left when `DataLoader` feeds it, and when `train.fit` runs it.

``python -m benchmarks.loader``, in asv_benchmarks, prints, for the guide's common network on colour images of
32 x 32 at batch 128: the bare step on batches made beforehand; the loader alone; the same steps fed by the
loader; and the whole of `train.fit` with its tally, progress and history. The images are uint8 in memory,
shuffled, scaled and normalised.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import models, optim, train
from cnnkit.data import ArrayDataset, DataLoader, transforms

from .here import BACKENDS, use

IMAGES, BATCH = 128 * 12, 128


class Fed:
    """W2's training step: bare, and with what feeds it and what runs it."""

    params = [BACKENDS, [0, 1]]
    param_names = ["backend", "num_workers"]

    def setup(self, backend, num_workers):
        self.here = use(backend)
        rng = np.random.default_rng(0)
        transform = transforms.Compose([transforms.ToTensor(),
                                        transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))])
        images = rng.integers(0, 256, (IMAGES, 3, 32, 32), np.uint8)
        self.dataset = ArrayDataset(images, rng.integers(0, 10, IMAGES), classes=10, transform=transform)
        self.loader = DataLoader(self.dataset, BATCH, shuffle=True, seed=0, num_workers=num_workers)
        cnnkit.random.seed(0)
        self.model = models.CommonCNN((3, 32, 32))
        self.optimizer = optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.batches = list(self.loader)
        self.step(*self.batches[0])
        self.here.synchronize()

    def teardown(self, backend, num_workers):
        cnnkit.use(None)

    def step(self, x, y):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()

    def time_bare(self, backend, num_workers):
        """An epoch's steps on batches that are there."""
        for x, y in self.batches:
            self.step(x, y)
        self.here.synchronize()

    def time_loader(self, backend, num_workers):
        """An epoch's batches, and nothing done with them."""
        for _ in self.loader:
            pass
        self.here.synchronize()

    def time_fed(self, backend, num_workers):
        """An epoch's steps on the loader's batches."""
        for x, y in self.loader:
            self.step(x, y)
        self.here.synchronize()

    def time_fit(self, backend, num_workers):
        """An epoch of `train.fit`."""
        train.fit(self.model, self.loader, optimizer=self.optimizer, progress=False)
        self.here.synchronize()


def main() -> None:
    """Print medians of rounds in turn, and the medians of the ratios within a round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    bench, arguments = Fed(), (asked.backend, asked.num_workers)
    bench.setup(*arguments)
    parts: dict[str, Callable] = {"bare step": bench.time_bare, "loader alone": bench.time_loader,
                                  "fed by the loader": bench.time_fed, "train.fit": bench.time_fit}
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(asked.rounds + 1):
        for name, part in parts.items():
            start = time.perf_counter()
            part(*arguments)
            if turn:
                seconds[name].append((time.perf_counter() - start) / len(bench.loader))
    bench.teardown(*arguments)
    print(f"{asked.backend}, batch {BATCH}, num_workers={asked.num_workers}, "
          f"median of {asked.rounds} rounds of {len(bench.loader)} steps")
    for name, times in seconds.items():
        low, middle, high = statistics.quantiles(
            (bare / own for bare, own in zip(seconds["bare step"], times)), n=4)
        speed = ("" if name == "loader alone"
                 else f"   {middle:7.1%} of the bare step's speed (quartiles {low:.1%}, {high:.1%})")
        print(f"{name:18} {statistics.median(times) * 1e6:8,.0f} us a step{speed}")


if __name__ == "__main__":
    main()
