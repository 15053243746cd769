"""Batch normalisation at PyTorch's place, with its base classes."""

from cnnkit.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from cnnkit.nn.norm import _Norm as _NormBase
from cnnkit.nn.sync_norm import SyncBatchNorm

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "_BatchNorm", "_NormBase"]
