"""The images that the scripts train on, in parts: to learn from, to choose a recipe by, and to test."""

from __future__ import annotations

import numpy as np

from cnnkit.data import ArrayDataset, Subset, datasets, random_split


def learn_and_test(name: str, tiny: bool) -> tuple[ArrayDataset, ArrayDataset]:
    """The official parts of ``"FashionMNIST"`` or ``"MNIST"``; if `tiny`, a few digits that come with cnnkit,
    as large as those.
    """
    if tiny:
        parts = [datasets.digits(train=True), datasets.digits(train=False)]
        return tuple(ArrayDataset(_enlarged(part.data[:128]), part.targets[:128], 10) for part in parts)  # type: ignore[return-value]
    return getattr(datasets, name)(train=True), getattr(datasets, name)(train=False)


def learn_and_validate(learn: ArrayDataset) -> list[Subset]:
    """The training images in two parts, five sixths and one sixth: recipes are chosen by the second, never by
    the test images.
    """
    sixth = len(learn) // 6
    return random_split(learn, [len(learn) - sixth, sixth], seed=0)


def _enlarged(digits: np.ndarray) -> np.ndarray:
    """8 x 8 pixels as 28 x 28 of uint8: each three times as large, and an edge of 2."""
    grey = (digits.reshape(-1, 8, 8) * (255 / digits.max())).astype(np.uint8)
    return np.pad(grey.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
