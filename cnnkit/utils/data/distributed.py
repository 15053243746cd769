"""PyTorch's place of DistributedSampler: ``torch.utils.data.distributed``."""

from cnnkit.utils.data import DistributedSampler

__all__ = ["DistributedSampler"]
