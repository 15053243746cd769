"""Criterion: the criterion of an estimator as a loss of `train.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.evaluation.counting import Counting

__all__ = ["Criterion"]


class Criterion:
    """A criterion that is called through a function, and counts batches as it does alone.

    Parameters
    ----------
    criterion : callable
        The loss of outputs and targets.
    call : callable
        ``call(output, target)``, which calls the criterion with what it takes.

    >>> from cnnkit import nn, tensor
    >>> squares = nn.MSELoss()
    >>> loss = Criterion(squares, lambda output, target: squares(output, target.reshape(output.shape)))
    >>> loss(tensor([[3.0], [1.0]]), tensor([1.0, 1.0])).item()
    2.0
    >>> loss.batch_weight(tensor([1.0, 1.0]))
    2
    """

    def __init__(self, criterion: Any, call: Callable[[Tensor, Tensor], Tensor]):
        self._counting, self._call = Counting(criterion), call

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return self._call(output, target)

    def batch_weight(self, target: Tensor, weight: Tensor | None = None) -> Any:
        """What a batch counts for; a sum is divided by nothing."""
        if self._counting.summed:
            return 1
        count = self._counting(target).loss
        return count if isinstance(count, int | float) else Tensor(count)
