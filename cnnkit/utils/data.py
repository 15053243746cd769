"""`cnnkit.data` at PyTorch's place, for ``from torch.utils.data import DataLoader``.

>>> import cnnkit
>>> from cnnkit.utils.data import DataLoader
>>> DataLoader is cnnkit.data.DataLoader
True
"""

from cnnkit import data
from cnnkit.data import *

__all__ = data.__all__
