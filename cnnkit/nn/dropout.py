"""Dropout layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
           "StochasticDepth"]


class _Dropout(Module):
    inplace: bool
    p: float

    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Dropout: in training, zeros each element with probability `p` (see `functional.dropout`).

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1.
    inplace : bool
        Change the input itself.

    >>> Dropout(0.25)
    Dropout(p=0.25, inplace=False)
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """In training, zeros whole channels of (N, C, L); see `functional.dropout1d`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """In training, zeros whole channels of (N, C, H, W); see `functional.dropout2d`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """In training, zeros whole channels of (N, C, D, H, W); see `functional.dropout3d`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout between SELUs, which keeps mean and variance; see `functional.alpha_dropout`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels; see `functional.feature_alpha_dropout`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(F.feature_alpha_dropout)


class StochasticDepth(Module):
    """In training, drops a residual branch with probability `p`; see `functional.stochastic_depth`.

    Parameters
    ----------
    p : float
        Probability of a zero.
    mode : {"row", "batch"}
        Whether each sample is drawn for, or all at once.

    >>> StochasticDepth(0.2, "row")
    StochasticDepth(p=0.2, mode=row)
    """

    mode: str
    p: float

    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return F.stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"
