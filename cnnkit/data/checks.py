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
        Their places in the dataset, for the message.
    classes : sequence of str or None
        The classes that the labels number.
    """
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        return
    most = None if classes is None else len(classes) - 1
    if labels.min() >= 0 and (most is None or labels.max() <= most):
        return
    bad = np.flatnonzero((labels < 0) | (False if most is None else labels > most))[0]
    if most is None:
        raise ValueError(f"label {labels[bad]} of sample {indices[bad]} is negative; "
                         "labels must be integers from 0")
    hint = ("; labels that start at 1 need 1 subtracted"
            if labels.min() >= 1 and labels.max() == most + 1 else "")
    raise ValueError(f"label {labels[bad]} of sample {indices[bad]} is outside 0..{most}, the range of "
                     f"{most + 1} classes{hint or '; correct the label or the number of classes'}")


def check_images(images: np.ndarray, indices: Sequence[int] | np.ndarray) -> None:
    """Raise ValueError if a float image holds NaN or infinity, naming the first such image.

    Parameters
    ----------
    images : ndarray of shape (N, ...)
        The images of one batch or of a whole dataset.
    indices : sequence of int
        Their places in the dataset, for the message.
    """
    if not np.issubdtype(images.dtype, np.floating) or images.size == 0:
        return
    with np.errstate(all="ignore"):
        if np.isfinite(images.min()) and np.isfinite(images.max()):  # NaN wins both; no array is made
            return
    for place, image in enumerate(images):
        if not np.isfinite(image).all():
            what = "NaN" if np.isnan(image).any() else "an infinite value"
            raise ValueError(f"image {indices[place]} of the dataset holds {what}; remove or repair it "
                             "(numpy.isfinite(images).all(axis=tuple(range(1, images.ndim))) "
                             "is False for such images)")
