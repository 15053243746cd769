"""PyTorch's TensorDataset: any number of Tensors, whose first axes are the samples."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.data.dataset import Dataset

__all__ = ["TensorDataset"]


class TensorDataset(Dataset):
    """Samples that are rows of Tensors.

    `cnnkit.data.TensorDataset` holds images and labels, checks them, and scales uint8 pictures; this one
    gives rows as they are.

    Parameters
    ----------
    *tensors : Tensor, (N, ...)
        Of one length.

    Raises
    ------
    AssertionError
        If their lengths differ.

    >>> import cnnkit
    >>> TensorDataset(cnnkit.tensor([1, 2]), cnnkit.tensor([[3], [4]]))[1]
    (tensor(2), tensor([4]))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor):
        lengths = [tensor.shape[0] for tensor in tensors]
        if len(set(lengths)) != 1:
            raise AssertionError(f"Tensors of a dataset must have one length; got {lengths}")
        self.tensors = tensors

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> Any:
        return tuple(tensor[index] for tensor in self.tensors)
