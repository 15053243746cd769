"""Dropout layers."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
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

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
