"""PyTorch's place of the loader: ``torch.utils.data.dataloader``."""

from cnnkit.utils.data import DataLoader, default_collate, default_convert, get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
