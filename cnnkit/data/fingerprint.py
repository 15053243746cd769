"""A dataset's fingerprint: a checksum by which a model knows the data again that it has learned from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.data.arrays import Samples
from cnnkit.data.dataset import ArrayDataset, Subset
from cnnkit.data.datasets.image_files import ImageFiles

__all__ = ["fingerprint"]

LARGEST = 1 << 26  # bytes of pixels that are read in full; of more, evenly spaced images with about as many


def fingerprint(dataset: Any) -> str | None:
    """The SHA-256 checksum of a dataset's samples, as hexadecimal text.

    Of a folder of images it is made from the files' names below the folder, their sizes in bytes and their
    labels, so a folder that was copied or renamed keeps it; of arrays from the pixels and the labels; of a
    subset from the whole dataset and the indices.

    Parameters
    ----------
    dataset : Dataset of image files, ArrayDataset, or a Subset of one
        Its transform makes no difference.

    Returns
    -------
    str or None
        ``None`` for datasets of other kinds, whose samples would all have to be computed.

    >>> import numpy
    >>> a, b = (ArrayDataset(numpy.full((2, 4, 4), value, "uint8"), [0, 1]) for value in (7, 8))
    >>> fingerprint(a) == fingerprint(b), fingerprint(a) == fingerprint(ArrayDataset(a.data.copy(), [0, 1]))
    (False, True)
    """
    if isinstance(dataset, ImageFiles):
        digest = hashlib.sha256()
        for file, label in dataset.samples:
            name = Path(os.path.relpath(file, dataset.root)).as_posix()
            digest.update(f"{name}\0{file.stat().st_size}\0{label}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    if isinstance(dataset, Subset):
        whole = fingerprint(dataset.dataset)
        if whole is None:
            return None
        return hashlib.sha256(whole.encode() + np.ascontiguousarray(dataset.indices).data).hexdigest()
    if isinstance(dataset, ArrayDataset | Samples):
        images = dataset.data if isinstance(dataset, ArrayDataset) else dataset.inputs
        step = max(1, -(-images.nbytes // LARGEST))
        digest = hashlib.sha256(f"{images.shape} {images.dtype.str}".encode())
        some = (dataset.stored_batch(range(0, len(images), step))[0] if isinstance(dataset, ArrayDataset)
                else images[::step])
        digest.update(np.ascontiguousarray(some).data)
        digest.update(np.ascontiguousarray(dataset.targets).data)
        return digest.hexdigest()
    return None
