"""What must hold of images and labels before a network sees them: labels in range, no NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["check_images", "check_labels"]


def check_labels(labels: np.ndarray, indices: Sequence[int] | np.ndarray,
                 classes: Sequence[str] | None) -> None:
    """Raise ValueError if an integer label is negative or, where `classes` are known, not below their number.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        The labels of one batch or of a whole dataset; other dtypes and shapes (regression targets) pass.
    indices : sequence of int
        The samples' positions in the dataset, for the message.
    classes : sequence of str or None
        The classes that the labels number.
    """
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        return
    largest = None if classes is None else len(classes) - 1
    if labels.min() >= 0 and (largest is None or labels.max() <= largest):
        return
    invalid = np.flatnonzero((labels < 0) | (False if largest is None else labels > largest))[0]
    if largest is None:
        raise ValueError(f"label {labels[invalid]} of sample {indices[invalid]} is negative; "
                         "labels must be integers from 0")
    hint = ("; labels that start at 1 need 1 subtracted"
            if labels.min() >= 1 and labels.max() == largest + 1 else "")
    raise ValueError(f"label {labels[invalid]} of sample {indices[invalid]} is outside 0..{largest}, "
                     f"the range of {largest + 1} classes"
                     f"{hint or '; correct the label or the number of classes'}")


def check_images(images: np.ndarray, indices: Sequence[int] | np.ndarray) -> None:
    """Raise ValueError if a float image holds NaN or infinity, naming the first such image.

    Parameters
    ----------
    images : ndarray of shape (N, ...)
        The images of one batch or of a whole dataset.
    indices : sequence of int
        The samples' positions in the dataset, for the message.
    """
    if not np.issubdtype(images.dtype, np.floating) or images.size == 0:
        return
    with np.errstate(all="ignore"):
        if np.isfinite(images.min()) and np.isfinite(images.max()):  # NaN in, NaN out; no array is allocated
            return
    for position, image in enumerate(images):
        if not np.isfinite(image).all():
            value = "NaN" if np.isnan(image).any() else "an infinite value"
            raise ValueError(f"image {indices[position]} of the dataset holds {value}; remove or repair it "
                             "(numpy.isfinite(images).all(axis=tuple(range(1, images.ndim))) "
                             "is False for such images)")
