"""Accuracy by the size of the object: the share of the image's pixels that stand out from its background.

Labels of images say what is on them, not where. So the object is taken to be whatever differs from the
border: the background is the median of the border's pixels, and a pixel stands out where it is farther from
it than half of the farthest hundredth. That is right for digits and things on plain ground, and rough for
photographs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnkit.plot.pictures import embedded, heat, thumbnail
from cnnkit.report.answers import Answers

__all__ = ["by_size", "foreground", "likely_range"]

GROUPS, LEAST = 5, 20  # groups of images, and how many images a group has at least


def foreground(picture: np.ndarray) -> np.ndarray:
    """Which pixels of a picture (H, W, 3) stand out from its border, (H, W).

    >>> picture = np.zeros((8, 8, 3), np.uint8)
    >>> picture[2:6, 3:5] = 200
    >>> float(foreground(picture).mean()) == 8 / 64
    True
    """
    values = picture.astype(np.float64)
    border = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    apart = np.abs(values - np.median(border, axis=0)).max(-1)
    return apart > max(np.quantile(apart, 0.99) / 2, 0.5)


def by_size(answers: Answers) -> list[dict[str, Any]]:
    """Groups of equally many images, the smallest objects first: accuracy, and an image from the middle.

    There are none where the images are too few, or where all objects are of one size.
    """
    masks = [foreground(picture) for picture in answers.pictures]
    shares = np.asarray([float(mask.mean()) for mask in masks])
    groups = min(GROUPS, len(shares) // LEAST)
    if groups < 2 or shares.min() == shares.max():
        return []
    right = answers.predicted == answers.labels
    rows = []
    for members in np.array_split(np.argsort(shares, kind="stable"), groups):
        middle = members[len(members) // 2]
        low, high = likely_range(int(right[members].sum()), len(members))
        shown = heat(answers.pictures[middle], masks[middle].astype(np.float64))
        rows.append({"from": float(shares[members[0]]), "to": float(shares[members[-1]]),
                     "images": len(members), "accuracy": float(right[members].mean()), "low": low,
                     "high": high, "picture": embedded(thumbnail(shown, 96))})
    return rows


def likely_range(right: int, count: int) -> tuple[float, float]:
    """Between which shares the true accuracy lies in 95 % of cases (Wilson 1927).

    >>> low, high = likely_range(90, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    z, p = 1.959964, right / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)
