"""Losses on Tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cnnkit.ops.loss as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.ops.dtypes import is_narrow

__all__ = ["cross_entropy", "l2_penalty", "mse_loss", "nll_loss"]


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy between scores and class indices or probabilities: log-softmax and `nll_loss` in one.

    Give it the network's scores as they are. After a softmax or a log-softmax the result is not the
    cross-entropy (a second log-softmax changes nothing, a second softmax does).

    Parameters
    ----------
    input : Tensor, (N, C), (N, C, ...) or (C,)
        Scores; the classes are axis 1 (axis 0 without a batch).
    target : Tensor of integers, (N,), (N, ...) or (); or floating-point, of the input's shape
        Class indices in 0 ... C - 1, or the probability of each class.
    weight : Tensor, (C,), optional
        Weight of each class.
    ignore_index : int
        Samples with this class index count for nothing; probabilities have none.
    reduction : {"mean", "sum", "none"}
        With class indices the mean is weighted by the targets' class weights. It is NaN where no
        sample counts.
    label_smoothing : float
        From 0 to 1: the part of each target that is spread evenly over all classes (Szegedy et al. 2016).

    Raises
    ------
    ValueError, TypeError
        If shapes or dtypes do not fit. An index outside 0 ... C - 1 raises ValueError on NumPy; on other
        backends it makes the loss NaN, because raising would wait for the device (`data.DataLoader` checks
        labels on the host).

    >>> import cnnkit
    >>> round(cross_entropy(cnnkit.tensor([[0.0, 0.0]]), cnnkit.tensor([1])).item(), 4)
    0.6931
    """
    return apply(ops.cross_entropy, input, target, weight, ignore_index=ignore_index, reduction=reduction,
                 label_smoothing=label_smoothing)


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
             reduction: str = "mean") -> Tensor:
    """Negative log-likelihood of class indices under log-probabilities, such as those of `log_softmax`.

    Parameters and errors are those of `cross_entropy`; `target` holds class indices.

    >>> import cnnkit
    >>> nll_loss(cnnkit.tensor([[-2.0, -1.0]]), cnnkit.tensor([0])).item()
    2.0
    """
    return apply(ops.nll_loss, input, target, weight, ignore_index=ignore_index, reduction=reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared difference, and its mean or sum.

    Parameters
    ----------
    input, target : Tensor
        The same shape and floating-point dtype. PyTorch broadcasts different shapes, with a warning;
        here they raise.
    reduction : {"mean", "sum", "none"}
        The mean or the sum of the squares, or the squares.

    Raises
    ------
    ValueError, TypeError
        If shapes or dtypes differ.

    >>> import cnnkit
    >>> mse_loss(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 4.0])).item()
    2.0
    """
    return apply(ops.mse_loss, input, target, reduction=reduction)


def l2_penalty(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """Half the sum of all squares, for L2 regularisation: add ``strength * l2_penalty(...)`` to the loss.

    Its gradient is the parameters themselves, so for `optim.SGD` it does what ``weight_decay=strength`` does.
    Of float16 and bfloat16 parameters it is float32, because it may well be larger than float16's numbers.

    Raises
    ------
    ValueError
        If there are no parameters.

    >>> import cnnkit
    >>> l2_penalty([cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([3.0])]).item()
    7.0
    """
    total: Any = None
    for parameter in (parameters,) if isinstance(parameters, Tensor) else parameters:
        if is_narrow(parameter.dtype):
            parameter = parameter.to(dtype="float32")
        squares = (parameter * parameter).sum()
        total = squares if total is None else total + squares
    if total is None:
        raise ValueError("l2_penalty got no parameters")
    return total * 0.5
