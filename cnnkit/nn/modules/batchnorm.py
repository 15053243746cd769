"""Batch normalisation at PyTorch's place, with its base classes."""

from cnnkit.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm, _BatchNorm
from cnnkit.nn.norm import _Norm as _NormBase

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "_BatchNorm", "_NormBase"]
