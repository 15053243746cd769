"""Loss modules: each is its function of `cnnkit.functional`, with its settings."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn.function import FunctionModule

__all__ = ["CrossEntropyLoss", "MSELoss", "NLLLoss"]


class CrossEntropyLoss(FunctionModule, function=F.cross_entropy, inputs=2, buffers=("weight",), shown=False):
    """Cross-entropy of scores and class indices or probabilities (see `functional.cross_entropy`).

    `weight` is a buffer, so it moves with the module.

    >>> import cnnkit
    >>> round(CrossEntropyLoss()(cnnkit.tensor([[0.0, 0.0]]), cnnkit.tensor([1])).item(), 4)
    0.6931
    """

    weight: Tensor | None
    ignore_index: int
    reduction: str


class NLLLoss(FunctionModule, function=F.nll_loss, inputs=2, buffers=("weight",), shown=False):
    """Negative log-likelihood of class indices under log-probabilities; see `functional.nll_loss`.

    >>> import cnnkit
    >>> NLLLoss()(cnnkit.tensor([[-2.0, -1.0]]), cnnkit.tensor([0])).item()
    2.0
    """

    weight: Tensor | None
    ignore_index: int
    reduction: str


class MSELoss(FunctionModule, function=F.mse_loss, inputs=2, shown=False):
    """Mean squared error; arguments as of `functional.mse_loss`.

    >>> import cnnkit
    >>> MSELoss()(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 4.0])).item()
    2.0
    """

    reduction: str
