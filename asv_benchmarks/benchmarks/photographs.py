"""How many large photographs a second a folder feeds to training.

``python -m benchmarks.photographs``, in asv_benchmarks, makes a folder of JPEGs of 2048 x 1536 pixels, and
prints the images a second of `DataLoader` for batches of 64 x 64 (``--size``): with every photograph decoded
whole, as Pillow does by itself; as `ImageFolder` decodes them, without workers and with two; and from caches
in memory and in a folder, cold and warm. ``--folder`` takes a folder of your own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from cnnkit.data import DataLoader, transforms
from cnnkit.data.datasets import ImageFolder

COUNT, HEIGHT, WIDTH, BATCH = 64, 1536, 2048, 16


def photographs(root: Path, count: int = COUNT) -> Path:
    """Class folders of JPEGs of quality 90: smooth shapes, fine structure and a sensor's noise."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
    for n in range(count):
        folder = root / ("cat", "dog")[n % 2]
        folder.mkdir(exist_ok=True)
        values = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for cells, contrast in ((4, 60), (32, 25), (256, 10)):
            layer = rng.uniform(-contrast, contrast, (cells * 3 // 4, cells, 3)).astype(np.float32) + 128
            values += np.asarray(Image.fromarray(layer.clip(0, 255).astype(np.uint8)).resize(
                (WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32) - 128
        values += np.roll(grain, rng.integers(1, WIDTH, 2), (0, 1)) + 128
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"{n}.jpg", quality=90)
    return root


class Whole(ImageFolder):
    """Every photograph decoded at its full size, then resized."""

    def _decoded(self, index: int) -> np.ndarray:
        with Image.open(self.samples[index][0]) as image:
            height, width = self.image_size
            return np.asarray(image.convert(self.mode).resize((width, height), Image.Resampling.BILINEAR))


class Photographs:
    """An epoch of photographs, as batches of small images."""

    params = [["whole", "plain", "memory", "disk"], [0, 2]]
    param_names = ["how", "num_workers"]
    timeout = 300

    def setup_cache(self):
        return str(photographs(Path(tempfile.mkdtemp())))

    def setup(self, root, how, num_workers, size=64):
        self.folder = tempfile.TemporaryDirectory()
        cache = {"memory": 1 << 30, "disk": self.folder.name}.get(how)
        data = (Whole if how == "whole" else ImageFolder)(root, transforms.ToTensor(), size, cache=cache)
        self.loader = DataLoader(data, BATCH, shuffle=True, seed=0, num_workers=num_workers)
        if cache is not None:
            self.time_epoch(root, how, num_workers)

    def teardown(self, root, how, num_workers):
        self.folder.cleanup()

    def time_epoch(self, root, how, num_workers):
        """An epoch's batches; caches are full."""
        for _ in self.loader.numpy_batches():
            pass


def main() -> None:
    """Print images a second, the median of rounds in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = options.folder or photographs(Path(made))
        benches = {}
        for how, workers in ((how, workers) for how in Photographs.params[0] for workers in (0, 2)):
            benches[how, workers] = bench = Photographs()
            start = time.perf_counter()
            bench.setup(root, how, workers, options.size)
            if how in ("memory", "disk"):
                rate = len(bench.loader.dataset) / (time.perf_counter() - start)
                print(f"{how:8} {workers} workers {rate:10,.0f} images/s, the epoch that fills the cache")
        seconds = {key: [] for key in benches}
        for _ in range(options.rounds):
            for key, bench in benches.items():
                start = time.perf_counter()
                bench.time_epoch(root, *key)
                seconds[key].append(time.perf_counter() - start)
        count = len(bench.loader.dataset)
        baseline = statistics.median(seconds["whole", 0])
        for (how, workers), times in seconds.items():
            middle = statistics.median(times)
            print(f"{how:8} {workers} workers {count / middle:10,.0f} images/s  {baseline / middle:7.1f} x")
        for bench in benches.values():
            bench.teardown(root, None, None)


if __name__ == "__main__":
    main()
