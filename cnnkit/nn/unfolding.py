"""Layers of windows as columns, and back."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = ["Fold", "Unfold"]


class Unfold(FunctionModule, function=F.unfold):
    """The windows of images (N, C, H, W), one a column (N, C R S, L); see `functional.unfold`.

    >>> Unfold(2)
    Unfold(kernel_size=2, dilation=1, padding=0, stride=1)
    """


class Fold(FunctionModule, function=F.fold):
    """Images from windows, one a column, summed where these overlap; see `functional.fold`.

    >>> import cnnkit
    >>> Fold((4, 5), kernel_size=2)(cnnkit.tensor([[1.0] * 12] * 4)).shape
    (1, 4, 5)
    """
