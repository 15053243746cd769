"""What the estimators in skorch's form are given: arrays, or what has its targets already."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.data import Dataset
from cnnkit.data.contracts import IndexedDataset
from cnnkit.data.host import host_array
from cnnkit.evaluation.contracts import is_loader
from cnnkit.foreign import is_array_like, is_sparse, is_tensor

__all__ = ["has_targets", "host"]


def has_targets(X: Any) -> bool:
    """Whether X is a loader or a dataset, which give pairs, rather than an array."""
    if isinstance(X, Dataset) or is_loader(X):
        return True
    return isinstance(X, IndexedDataset) and not is_array_like(X) and not isinstance(X, list | tuple)


def host(values: Any) -> np.ndarray:
    """Targets or labels, which may be text, as an array."""
    return host_array(values, "y") if is_tensor(values) or is_sparse(values) else np.asarray(values)
