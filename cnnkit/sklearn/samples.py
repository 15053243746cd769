"""Samples: arrays of inputs and targets as a dataset, for the estimators in skorch's form."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.data import Dataset
from cnnkit.data.contracts import IndexedDataset
from cnnkit.evaluation.contracts import is_loader
from cnnkit.foreign import has_shape

__all__ = ["Samples", "has_targets", "host"]


class Samples(Dataset):
    """Arrays (N, ...) and their targets, shapes unchanged; uint8 is divided by 255, all else made float32."""

    def __init__(self, inputs: Any, targets: np.ndarray):
        self.inputs, self.targets = host(inputs), targets
        if len(self.inputs) != len(targets):
            raise ValueError("Found input variables with inconsistent numbers of samples: "
                             f"[{len(self.inputs)}, {len(targets)}]")
        if not np.issubdtype(self.inputs.dtype, np.number) and self.inputs.dtype != bool:
            raise ValueError(f"X must hold numbers, got dtype {self.inputs.dtype}")

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, indices: Any) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and targets of `indices`."""
        x = self.inputs[np.asarray(indices)]
        x = x / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32)
        return x, self.targets[np.asarray(indices)]


def has_targets(X: Any) -> bool:
    """Whether X is a loader or a dataset, which give pairs, rather than an array."""
    if isinstance(X, Dataset) or is_loader(X):
        return True
    return isinstance(X, IndexedDataset) and not has_shape(X) and not isinstance(X, list | tuple)


def host(values: Any) -> np.ndarray:
    """A Tensor or anything else as a NumPy array."""
    return values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
