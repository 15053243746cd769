"""`cnnkit.functional` at PyTorch's place, for ``import cnnkit.nn.functional as F``.

>>> import cnnkit
>>> import cnnkit.nn.functional as F
>>> F.relu is cnnkit.functional.relu
True
"""

from cnnkit import functional
from cnnkit.functional import *

__all__ = functional.__all__
__getattr__ = functional.__getattr__
