"""Power-average pooling layers, along one, two and three axes."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = ["LPPool1d", "LPPool2d", "LPPool3d"]


class LPPool1d(FunctionModule, function=F.lp_pool1d):
    """The root of the sum of powers of each window of signals (N, C, L); see `functional.lp_pool2d`.

    >>> LPPool1d(2, 3)
    LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)
    """


class LPPool2d(FunctionModule, function=F.lp_pool2d):
    """The root of the sum of powers of each window; see `functional.lp_pool2d`.

    >>> import cnnkit
    >>> LPPool2d(2, (1, 2))(cnnkit.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """


class LPPool3d(FunctionModule, function=F.lp_pool3d):
    """The root of the sum of powers of each window of volumes (N, C, D, H, W); see `functional.lp_pool2d`."""
