"""Losses at PyTorch's place, and the bases of one's own."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.nn.loss import *
from cnnkit.nn.module import Module


class _Loss(Module):
    """What losses of one's own derive from in PyTorch: a module with a `reduction`.

    >>> class Hinge(_Loss):
    ...     pass
    >>> Hinge(reduction="sum").reduction
    'sum'
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__()
        if size_average is not None or reduce is not None:  # the settings before `reduction`
            reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A `_Loss` with a `weight` of each class, which moves with the module."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, size_average: bool | None = None,
                 reduce: bool | None = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
