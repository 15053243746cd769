"""The digits that come with cnnkit: 1,797 real images of 8 x 8 pixels, without a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.datasets.archive import read_arrays
from cnnkit.data.split import random_split

__all__ = ["digits"]

_FILE = Path(__file__).parents[1] / "digits.npz"
_BRIGHTEST = 16  # each pixel counts the inked pixels of a 4 x 4 block of the original


def digits(train: bool | None = None, transform: Transform | None = None, *, test_size: float = 0.2,
           seed: int = 0) -> ArrayDataset:
    """Optical Recognition of Handwritten Digits: images (1, 8, 8) of the digits 0 to 9.

    Parameters
    ----------
    train : bool, optional
        ``True`` for the training part, ``False`` for the held-out part, ``None`` for all 1,797 images in the
        order of their source.
    transform : callable, optional
        Applied to each image.
    test_size : float
        The share that is held out; the default leaves 1,438 images for training and 359 for testing.
    seed : int
        Which images are held out: a random split with this seed, by default the same everywhere.

    Returns
    -------
    ArrayDataset
        `data` is float32 in [0, 1]: the source's 0 to 16 divided by 16, which is exact.
        `ToTensor` leaves it so.

    References
    ----------
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, CC BY 4.0; scikit-learn's copy (`digits.md` beside the file).

    >>> from cnnkit.data import datasets
    >>> datasets.digits()
    ArrayDataset(1797 images of shape (1, 8, 8), float32, 10 classes)
    >>> len(datasets.digits(train=True)), len(datasets.digits(train=False))
    (1438, 359)
    """
    pixels, labels = read_arrays(_FILE, "x", "y")
    images = pixels[:, None].astype(np.float32) / np.float32(_BRIGHTEST)
    if train is not None:
        if not 0 < test_size < 1:
            raise ValueError(f"test_size must be a share between 0 and 1, got {test_size}")
        part = random_split(labels, [1 - test_size, test_size], seed)[0 if train else 1].indices
        images, labels = images[part], labels[part]
    return ArrayDataset(images, labels, classes=10, transform=transform)
