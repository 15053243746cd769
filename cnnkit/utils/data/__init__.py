"""PyTorch's ``torch.utils.data``: its loader, datasets and samplers.

`DataLoader` and `TensorDataset` treat samples as PyTorch's do, whatever these are; those of `cnnkit.data`
take images with labels, which they check and scale. `train.fit` takes both.

>>> from cnnkit.utils.data import DataLoader
>>> [batch.tolist() for batch in DataLoader([1, 2, 3], batch_size=2)]
[[1, 2], [3]]
"""

from __future__ import annotations

from typing import Any

from cnnkit.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    DistributedSampler,
    IterableDataset,
    StackDataset,
    Subset,
    WeightedRandomSampler,
    random_split,
)
from cnnkit.data.iterated import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
)
from cnnkit.utils.data.collating import default_collate, default_convert
from cnnkit.utils.data.loader import DataLoader
from cnnkit.utils.data.tensor_dataset import TensorDataset

__all__ = ["BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DistributedSampler",
           "IterableDataset", "RandomSampler", "Sampler", "SequentialSampler", "StackDataset", "Subset",
           "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler", "default_collate",
           "default_convert", "get_worker_info", "random_split"]


def get_worker_info() -> Any:
    """``None``, as in PyTorch's main process: workers are threads, which share one dataset.

    >>> get_worker_info() is None
    True
    """
    return None
