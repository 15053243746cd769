"""A feature pyramid against a backbone's last map alone: digits of four sizes, found and told apart.

    python examples/feature_pyramid.py [--write]

The guide: "Use multi-scale architectures (like Feature Pyramid Networks) for objects at different sizes".
Both detectors have the same backbone and the same head, and are trained alike. MNIST is read from the folder
that CNNKIT_DATA names.
"""

from __future__ import annotations

from pathlib import Path

import images
import numpy as np
import tables
from canvases import NAMES, SCALES, SIDE, Canvases, average_precision, drawn
from PIL import Image, ImageDraw

import cnnkit
from cnnkit import models, random, train

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
PICTURE = GUIDE.with_name("feature_pyramid.png")
SHARED = {"backbone": "resnet18", "num_classes": 10, "in_channels": 1, "width_mult": 0.25, "out_channels": 32}
DETECTORS = {"last map": {**SHARED, "levels": 1, "extra_level": False, "span": 1.0},  # 32 pixels at first
             "feature pyramid": SHARED}
TEST_SEED = 1000  # of the test's canvases, in every run the same


def found_by(model: models.Detector, pictures: np.ndarray) -> list[dict[str, np.ndarray]]:
    """What a detector finds on each picture, the surest first."""
    return [{name: value.numpy() for name, value in prediction.items()}
            for start in range(0, len(pictures), 50)
            for prediction in model.detect(cnnkit.tensor(pictures[start:start + 50]))]


def trained(name: str, training: Canvases, seed: int, epochs: int) -> models.Detector:
    """A detector that has learnt from canvases."""
    random.seed(seed)
    model = models.fpn_detector(**DETECTORS[name])
    targets = model.targets(cnnkit.tensor(training.images[:1]), training.boxes, training.labels).numpy()
    train.fit(model, (training.images, targets), epochs=epochs, batch_size=16, lr=3e-3,
              scheduler="one-cycle", loss=models.detection_loss, seed=seed, progress=False)
    return model


def picture(found: dict[str, dict[str, np.ndarray]], image: np.ndarray, truth: np.ndarray) -> Image.Image:
    """An image three times: with the boxes of the digits, then with those that each detector is sure of."""
    grey = Image.fromarray((255 * image).astype("uint8"))
    grey = grey.resize((3 * SIDE, 3 * SIDE), Image.Resampling.NEAREST)
    panels = [truth, *(prediction["boxes"][prediction["scores"] >= 0.3] for prediction in found.values())]
    whole = Image.new("RGB", ((3 * SIDE + 6) * len(panels) - 6, 3 * SIDE), "white")
    for number, boxes in enumerate(panels):
        panel = grey.convert("RGB")
        pen = ImageDraw.Draw(panel)
        for box in boxes:
            pen.rectangle([float(3 * n) for n in box], outline="orange" if number else "lime", width=2)
        whole.paste(panel, (number * (3 * SIDE + 6), 0))
    return whole


def main(arguments: list[str] | None = None) -> None:
    """Train both detectors for each seed, print the table, and with ``--write`` put it into the page."""
    parser = tables.options(__doc__, epochs={"type": int, "default": 8, "help": "of every detector"},
                            images={"type": int, "default": 1000, "help": "canvases to learn from"})
    report = tables.Report("feature_pyramid", parser, arguments, GUIDE)
    options = report.options
    if options.tiny:
        options.epochs, options.images = 1, 16
    digits, test_digits = images.training_and_test("MNIST", options.tiny)
    test = drawn(test_digits.data, test_digits.targets, 6 if options.tiny else 500, TEST_SEED)
    rows, shown = [], {}
    for name in DETECTORS:
        by_size = []
        for seed in options.seeds:
            training = drawn(digits.data, digits.targets, options.images, seed)
            model = trained(name, training, seed, options.epochs)
            found = found_by(model, test.images)
            by_size.append([average_precision(found, test, scale) for scale in (*range(len(SCALES)), None)])
            shown.setdefault(name, found[0])
        cost = cnnkit.summary(model, (1, SIDE, SIDE))
        for label, figures in zip((*NAMES, "all"), zip(*by_size)):
            rows.append([name, label, *tables.with_mean(figures)])
        report.say(f"{name}: {cost.parameters:,} parameters, {cost.flops / 1e6:.0f} MFLOPs an image.")
    report.say(f"Average precision (overlap of at least a half) on 500 canvases of {SIDE}x{SIDE} pixels, "
               f"after {options.epochs} epochs of {options.images:,} others (Adam, one cycle to 3e-3, batch "
               "16):")
    report.table(["detector", "digits of", *(f"seed {seed}" for seed in options.seeds), "mean"], rows)
    if options.write:
        picture(shown, test.images[0, 0], test.boxes[0]).save(PICTURE, optimize=True)
    report.close()


if __name__ == "__main__":
    main()
