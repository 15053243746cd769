"""PyTorch's ``torch.utils``: `checkpoint`, `data` and `model_zoo`; and torchvision's grids of images."""

from cnnkit.data import make_grid, save_image
from cnnkit.utils import checkpoint as checkpoint
from cnnkit.utils import data as data
from cnnkit.utils import model_zoo as model_zoo

__all__ = ["checkpoint", "data", "make_grid", "model_zoo", "save_image"]
