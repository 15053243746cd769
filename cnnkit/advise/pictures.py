"""What images show before anything has learnt from them: how neighbours agree, how large objects are and
where they lie.
"""

from __future__ import annotations

import numpy as np

__all__ = ["neighbours", "objects", "permuted", "shifted"]

# of the images' range: a pixel that differs from the background by more belongs to the object
CONTRAST = 0.25


def neighbours(images: np.ndarray, axis: int) -> float | None:
    """The correlation of pixels with their neighbours along an axis of (N, C, H, W); ``None`` where
    there are none.

    Each pixel's own mean and deviation over the images is taken away first: what is left is how they
    vary together.

    >>> smooth = np.cumsum(np.random.default_rng(0).standard_normal((500, 1, 1, 20)), axis=3)
    >>> neighbours(smooth, 3) > 0.9, neighbours(smooth, 2) is None
    (True, True)
    """
    if images.shape[axis] < 2:
        return None
    centred = images - images.mean(axis=0)
    deviation = centred.std(axis=0)
    alive = deviation > 1e-3 * (deviation.max() or 1)  # a border that is always empty says nothing
    centred = np.where(alive, centred / np.where(alive, deviation, 1), 0)
    n = images.shape[axis]
    first, second = (np.take(centred, range(start, n - 1 + start), axis=axis) for start in (0, 1))
    both = np.take(alive, range(n - 1), axis=axis - 1) & np.take(alive, range(1, n), axis=axis - 1)
    return float((first * second).mean(axis=0)[both].mean()) if both.any() else None


def objects(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size and centre of what stands out in each image, as shares of its sides.

    Returns
    -------
    sizes : ndarray, shape (M,)
        The square root of the share of the image that the object's bounding box covers, for images
        that have one.
    centres : ndarray, shape (M, 2)
        Where the boxes' middles lie.

    >>> images = np.zeros((1, 1, 8, 8))
    >>> images[0, 0, 2:6, 0:4] = 1
    >>> [part.tolist() for part in objects(images)]
    [[0.5], [[0.5, 0.25]]]
    """
    _, _, height, width = images.shape
    border = np.concatenate([images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]],
                            axis=2)
    background = np.median(border, axis=2)[:, :, None, None]
    stands_out = (np.abs(images - background) > CONTRAST * (images.max() - images.min())).any(axis=1)
    sizes, centres = [], []
    for mask in stands_out:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            sizes.append(np.sqrt((bottom - top) * (right - left) / (height * width)))
            centres.append(((top + bottom) / 2 / height, (left + right) / 2 / width))
    return np.array(sizes), np.array(centres).reshape(-1, 2)


def permuted(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Every image with its pixels in the same new places: what is in them stays, what lies beside
    what does not.
    """
    n, channels, height, width = images.shape
    return images.reshape(n, channels, -1)[:, :, order].reshape(n, channels, height, width)


def shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images moved by whole pixels; the edge's pixels fill what becomes free.

    >>> shifted(np.arange(4).reshape(1, 1, 2, 2), 0, 1).tolist()
    [[[[0, 0], [2, 2]]]]
    """
    _, _, height, width = images.shape
    rows, columns = (np.clip(np.arange(height) - down, 0, height - 1),
                     np.clip(np.arange(width) - right, 0, width - 1))
    return images[:, :, rows][:, :, :, columns]
