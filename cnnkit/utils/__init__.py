"""PyTorch's ``torch.utils``: `checkpoint`, and `data` at PyTorch's place."""

from cnnkit.utils import checkpoint as checkpoint
from cnnkit.utils import data as data

__all__ = ["checkpoint", "data"]
