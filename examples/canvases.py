"""Canvases with digits of several sizes, and how well a detector finds them; for `feature_pyramid`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 96  # pixels of a canvas
SCALES = (8, 16, 32, 64)  # pixels of a digit's longer side, give or take a sixth
NAMES = ("8 pixels", "16 pixels", "32 pixels", "64 pixels")
DRAWS = 6  # digits an image, some of which find no free place


class Canvases(NamedTuple):
    """Images, float32 (N, 1, 96, 96) from 0 to 1, and the boxes and classes of the digits on each."""

    images: np.ndarray
    boxes: list[np.ndarray]  # (B, 4): left, top, right, bottom
    labels: list[np.ndarray]  # (B,)


def drawn(digits: np.ndarray, classes: np.ndarray, count: int, seed: int) -> Canvases:
    """`count` canvases of digits (N, 28, 28), each cut out, resized, and put where none is yet; on noise."""
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 0.3, (count, 1, SIDE, SIDE)).astype("float32")
    boxes, labels = [], []
    for image in images:
        here: list[tuple[int, int, int, int]] = []
        kinds: list[int] = []
        for scale in sorted(generator.choice(SCALES, DRAWS), reverse=True):
            number = generator.integers(len(digits))
            pixels = _resized(digits[number], scale * generator.uniform(5 / 6, 7 / 6))
            place = _free_place(here, pixels.shape, generator)
            if place is not None:
                left, top, right, bottom = place
                spot = image[0, top:bottom, left:right]
                np.maximum(spot, pixels * generator.uniform(0.6, 1), out=spot)
                here.append(place)
                kinds.append(int(classes[number]))
        boxes.append(np.array(here, "float32").reshape(-1, 4))
        labels.append(np.array(kinds, "float32"))
    return Canvases(images, boxes, labels)


def _resized(digit: np.ndarray, longer: float) -> np.ndarray:
    """A digit without its edge, its longer side so many pixels; from 0 to 1."""
    rows, columns = np.nonzero(digit.max(1) > 40)[0], np.nonzero(digit.max(0) > 40)[0]
    cut = Image.fromarray(digit[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1])
    factor = longer / max(cut.size)
    width, height = (max(2, round(side * factor)) for side in cut.size)
    return np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR), "float32") / 255


def _free_place(taken: Sequence[tuple[int, int, int, int]], shape: tuple[int, ...],
                generator: np.random.Generator) -> tuple[int, int, int, int] | None:
    height, width = shape
    for _ in range(20):
        left, top = (int(generator.integers(0, SIDE - side + 1)) for side in (width, height))
        right, bottom = left + width, top + height
        if all(right <= x0 or x1 <= left or bottom <= y0 or y1 <= top for x0, y0, x1, y1 in taken):
            return left, top, right, bottom
    return None


def scale_of(boxes: np.ndarray) -> np.ndarray:
    """The place in `SCALES` that is nearest to each box's longer side, as a ratio."""
    longer = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return abs(np.log(longer[:, None] / SCALES)).argmin(1)


def average_precision(found: Sequence[dict[str, np.ndarray]], truth: Canvases, scale: int | None = None,
                      overlap: float = 0.5) -> float:
    """Mean over the classes of the area under precision by recall; with `scale`, of that size alone.

    As COCO counts: a digit is found by the surest box of its class that overlaps it by half. Digits of other
    sizes, the boxes that find them, and boxes of other sizes that find nothing, do not count.
    """
    return float(np.mean([_class_precision(found, truth, kind, scale, overlap) for kind in range(10)]))


def _class_precision(found: Sequence[dict[str, np.ndarray]], truth: Canvases, kind: int, scale: int | None,
                     overlap: float) -> float:
    hits: list[tuple[float, bool]] = []
    wanted = 0
    for prediction, boxes, labels in zip(found, truth.boxes, truth.labels):
        real, mine = boxes[labels == kind], prediction["labels"] == kind
        counts = np.ones(len(real), bool) if scale is None else scale_of(real) == scale
        wanted += int(counts.sum())
        free = np.ones(len(real), bool)
        for box, score in zip(prediction["boxes"][mine], prediction["scores"][mine]):  # the surest first
            shared = overlaps(box, real) * free if len(real) else np.zeros(1)
            best = int(shared.argmax())
            if shared[best] >= overlap:
                free[best] = False
                if counts[best]:
                    hits.append((float(score), True))
            elif scale is None or scale_of(box[None])[0] == scale:
                hits.append((float(score), False))
    if not wanted:
        return 0.0
    right = np.array([hit for _, hit in sorted(hits, reverse=True)], float)
    recall, precision = np.cumsum(right) / wanted, np.cumsum(right) / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * precision).sum())


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box with each of others (N, 4)."""
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = width.clip(0) * height.clip(0)
    areas = [(b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (box, others)]
    return shared / (areas[0] + areas[1] - shared)
