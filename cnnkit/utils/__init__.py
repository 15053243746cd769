"""PyTorch's ``torch.utils``: `checkpoint`, and `data` at its place; and torchvision's grids of images."""

from cnnkit.data import make_grid, save_image
from cnnkit.utils import checkpoint as checkpoint
from cnnkit.utils import data as data

__all__ = ["checkpoint", "data", "make_grid", "save_image"]
