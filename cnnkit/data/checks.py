"""What must hold of images and labels before a network sees them: labels in range, classes known, no NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.data import description
from cnnkit.data.contracts import LabelMixing

__all__ = ["check_images", "check_labels", "check_mixing"]


def check_labels(labels: np.ndarray, indices: Sequence[int] | np.ndarray,
                 classes: Sequence[str] | int | None, ignore_index: int = -100) -> None:
    """Raise ValueError if an integer label is negative or, where `classes` are known, not below their number.

    Parameters
    ----------
    labels : ndarray of shape (N,), or masks (N, H, W)
        The labels of one batch or of a whole dataset; other dtypes and shapes (regression targets) pass.
    indices : sequence of int
        The samples' positions in the dataset, for the message.
    classes : sequence of str, int or None
        The classes that the labels number, or how many there are.
    ignore_index : int
        A label that stands for none, and passes.
    """
    if labels.ndim in (0, 2) or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        return
    count = classes if isinstance(classes, int) or classes is None else len(classes)
    if labels.min() >= 0 and (count is None or labels.max() < count):
        return
    counted = labels != ignore_index
    outside = counted & ((labels < 0) | (False if count is None else labels >= count))
    if not outside.any():
        return
    position = np.argwhere(outside)[0]
    where = f"{labels[tuple(position)]} of sample {indices[position[0]]}"
    least, most = labels[counted].min(), labels[counted].max()
    if count is None:
        raise ValueError(f"label {where} is negative; labels must be integers from 0, or "
                         f"ignore_index={ignore_index} where a sample shall not count")
    hint = ("; labels that start at 1 need 1 subtracted" if least >= 1 and most == count else
            "; correct the label or the number of classes, or give ignore_index= if it stands for none")
    raise ValueError(f"label {where} is outside 0..{count - 1}, the range of {count} classes"
                     f"{hint} (these labels go from {least} to {most})")


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


def check_mixing(augment: LabelMixing, classes: Sequence[str] | None, dataset: Any) -> None:
    """Raise ValueError if an augmentation that mixes labels is for another number of classes, or for none.

    Parameters
    ----------
    augment : LabelMixing
        Such as MixUp.
    classes : sequence of str or None
        The dataset's, where it names them.
    dataset : object
        Its targets say whether labels are class indices.
    """
    label_classes = augment.label_classes()
    if label_classes is not None and classes is not None and len(classes) != label_classes:
        raise ValueError(f"augment={augment!r} is for {label_classes} classes, "
                         f"but the dataset has {len(classes)}")
    if label_classes is not None or not augment.mixes_labels():
        return
    targets = description.targets(dataset)
    if targets is not None and targets.ndim == 1:
        raise ValueError(f"augment={augment!r} makes probabilities of the dataset's labels and must "
                         "know how many classes there are; "
                         f"give num_classes={'...' if classes is None else len(classes)}")
