"""The images of the scripts, in parts: for training, for the choice of a recipe, and for the test."""

from __future__ import annotations

import numpy as np

from cnnkit.data import ArrayDataset, Subset, datasets, random_split


def training_and_test(name: str, tiny: bool) -> tuple[ArrayDataset, ArrayDataset]:
    """The official parts of ``"FashionMNIST"`` or ``"MNIST"``; if `tiny`, cnnkit's digits, enlarged."""
    if tiny:
        training, test = (ArrayDataset(_enlarged(part.data[:128]), part.targets[:128], 10)
                          for part in (datasets.digits(train=True), datasets.digits(train=False)))
        return training, test
    return getattr(datasets, name)(train=True), getattr(datasets, name)(train=False)


def training_and_validation(images: ArrayDataset) -> list[Subset]:
    """Five sixths and one sixth of the training images; the sixth, never the test images, decides recipes."""
    sixth = len(images) // 6
    return random_split(images, [len(images) - sixth, sixth], seed=0)


def _enlarged(digits: np.ndarray) -> np.ndarray:
    """Images of 8 x 8 pixels as 28 x 28 of uint8: each pixel three times as large, and an edge of 2."""
    grey = (digits.reshape(-1, 8, 8) * (255 / digits.max())).astype(np.uint8)
    return np.pad(grey.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
