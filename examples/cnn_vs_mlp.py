"""A CNN against an MLP of as many parameters, at equal epochs: accuracy, also on shifted images, and costs.

    python examples/cnn_vs_mlp.py [--write]

The guide: CNNs perform "better on image tasks than MLPs", with "translation invariance" and "parameter
sharing". A third network ends in global average pooling instead of dense layers, because pooling, not
convolution, makes a network invariant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean, median

import images
import numpy as np
import tables

import cnnkit
from cnnkit import models, nn, random, shapes, train
from cnnkit.data import ArrayDataset

SHIFTS = range(7)
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def mlp() -> nn.Module:
    """Dense layers 784-130-10: 103,360 parameters."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 130), nn.ReLU(), nn.Linear(130, 10))


def common_cnn() -> nn.Module:
    """The guide's common CNN: 103,018 parameters."""
    return models.CommonCNN((1, 28, 28))


def pooled_cnn() -> nn.Module:
    """Three convolutions, then the mean of each map: 6,218 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, 10))


NETS = {"MLP 784-130-10": mlp, "common CNN": common_cnn, "CNN, global average pooling": pooled_cnn}


def shifted(pictures: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pictures (N, H, W) moved by so many pixels, filled with black."""
    (_, H, W), edge = pictures.shape, max(abs(down), abs(right))
    padded = np.pad(pictures, ((0, 0), (edge, edge), (edge, edge)))
    return padded[:, edge - down:edge - down + H, edge - right:edge - right + W]


def accuracies_by_shift(model: nn.Module, test: ArrayDataset) -> Iterator[float]:
    """The accuracy for each of `SHIFTS`: the mean over the four directions."""
    for pixels in SHIFTS:
        shifts = {(pixels * down, pixels * right) for down, right in DIRECTIONS}  # a set: 0 pixels once only
        accuracies = [train.evaluate(model, (shifted(test.data, *shift), test.targets)).accuracy
                      for shift in sorted(shifts)]
        yield sum(accuracies) / len(accuracies)


def compare(report: tables.Report, name: str) -> None:
    """Train every net on a set of images, and add its two tables."""
    training, test = images.training_and_test(name, report.options.tiny)
    seeds = report.options.seeds
    columns = [f"seed {seed}" for seed in seeds]
    scores, scores_by_shift = [], []
    for net, make in NETS.items():
        by_shift, speeds = [], []
        for seed in seeds:
            random.seed(seed)
            model = make()
            history = train.fit(model, training, epochs=report.options.epochs, batch_size=64, lr=1e-3,
                                seed=seed, progress=False)
            speeds += history["images_per_second"]
            by_shift.append(list(accuracies_by_shift(model, test)))
        cost = cnnkit.summary(model, (1, 28, 28))
        scores.append([net, cost.parameters, cost.flops, round(median(speeds)),
                       *tables.with_mean([row[0] for row in by_shift])])
        scores_by_shift += [[f"{net}, {column}", *row] for column, row in zip(
            [*columns, "mean"], [*by_shift, list(map(mean, zip(*by_shift)))])]
    report.say(f"{name}, Adam 1e-3, batch 64, {report.options.epochs} epochs; accuracy on the test images:")
    report.table(["net", "parameters", "FLOPs an image", "images/s in training", *columns, "mean"], scores)
    report.say(f"{name}, the test images moved by so many pixels, mean of left, right, up and down:")
    report.table(["net", *map(str, SHIFTS)], scores_by_shift)


def dense_equivalents() -> list[list]:
    """The parameters of each convolution of the common CNN, and of a dense layer between the same maps."""
    rows, shape = [], (1, 28, 28)
    for row in cnnkit.summary(common_cnn(), shape).rows:
        if row.kind == "Conv2d":
            dense = shapes.linear_parameters(math.prod(shape), math.prod(row.output_shape))
            rows.append([row.name, f"{shape} to {row.output_shape}", f"{row.formula} = {row.parameters:,}",
                         dense, f"{dense / row.parameters:,.0f}"])
        shape = row.output_shape
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Train, print the tables, and with ``--write`` put them into the page."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 5, "help": "of every network"})
    report = tables.Report("cnn_vs_mlp", parser, arguments)
    if report.options.tiny:
        report.options.epochs = 1
    for name in ("FashionMNIST", "MNIST"):
        compare(report, name)
    report.say("Parameters of the common CNN's 3x3 convolutions, "
               "and of a dense layer that makes maps of the same size:")
    report.table(["layer", "maps", "convolution", "dense layer", "times as many"], dense_equivalents())
    report.close()


if __name__ == "__main__":
    main()
