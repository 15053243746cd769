"""Flatten: from feature maps to the vector that a dense layer takes."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.nn.module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Joins the axes from `start_dim` to `end_dim` into one; by default all but the batch.

    >>> import cnnkit
    >>> Flatten()(cnnkit.tensor([[[1.0, 2.0], [3.0, 4.0]]])).shape
    (1, 4)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
