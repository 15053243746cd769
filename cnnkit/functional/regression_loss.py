"""Losses of numbers and of distributions."""

from __future__ import annotations

import math
import warnings

from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions import where, xlogy
from cnnkit.functional.reduced import alike, check_reduction, reduced

__all__ = ["gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "poisson_nll_loss", "smooth_l1_loss"]


@runs_in(FLOAT32)
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute difference, and its mean or sum.

    Parameters
    ----------
    input, target : Tensor
        The same shape; others are broadcast, with a warning. Here and in the other losses of this module.
    reduction : {"mean", "sum", "none"}
        The mean or the sum of the numbers, or the numbers. Here and in every other loss.

    >>> import cnnkit
    >>> l1_loss(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 4.0])).item()
    1.0
    """
    input, target = alike("l1_loss", input, target)
    return reduced("l1_loss", (input - target).abs(), reduction)


@runs_in(FLOAT32)
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Half the squared difference over `beta` where it is below `beta`, else `l1_loss` less half of `beta`.

    Raises
    ------
    ValueError
        If `beta` is negative.

    >>> import cnnkit
    >>> smooth_l1_loss(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.5, 4.0]), "none")
    tensor([0.125, 1.5  ])
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss does not support negative values for beta; got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    input, target = alike("smooth_l1_loss", input, target)
    difference = input - target
    size = difference.abs()
    loss = where(size < beta, difference * difference * (0.5 / beta), size - 0.5 * beta)
    return reduced("smooth_l1_loss", loss, reduction)


@runs_in(FLOAT32)
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared difference where it is at most `delta`, beyond that a line (Huber 1964).

    Raises
    ------
    ValueError
        If `delta` is not above 0.

    >>> import cnnkit
    >>> huber_loss(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.5, 4.0]), "none")
    tensor([0.125, 1.5  ])
    """
    if delta <= 0:
        raise ValueError(f"huber_loss does not support non-positive values for delta; got {delta}")
    input, target = alike("huber_loss", input, target)
    difference = input - target
    size = difference.abs()
    loss = where(size <= delta, difference * difference * 0.5, (size - 0.5 * delta) * delta)
    return reduced("huber_loss", loss, reduction)


@runs_in(FLOAT32)
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Divergence of Kullback and Leibler, target * (log(target) - input), of log-probabilities.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities, or with `log_target` their logarithms.
    reduction : {"mean", "batchmean", "sum", "none"}
        ``"batchmean"`` divides by the number of rows, as the formula says; ``"mean"`` by that of numbers.
    log_target : bool
        Whether the targets are logarithms.

    >>> import cnnkit
    >>> kl_div(cnnkit.tensor([[0.5, 0.5]]).log(), cnnkit.tensor([[0.5, 0.5]]), "batchmean").item()
    0.0
    """
    check_reduction("kl_div", reduction, ("mean", "batchmean", "sum", "none"))
    if reduction == "mean":
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size. "
                      "'batchmean' divides only by the batch size, and aligns with the KL div math "
                      "definition.", stacklevel=3)
    loss = (target.exp() * (target - input) if log_target
            else xlogy(target, target) - target * input)
    if reduction == "batchmean" and input.ndim:
        return loss.sum() / input.shape[0]
    return reduced("kl_div", loss, "mean" if reduction == "batchmean" else reduction)


@runs_in(FLOAT32)
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
                     eps: float = 1e-8, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood of counts under Poisson distributions.

    Parameters
    ----------
    input : Tensor
        The expectations, or with `log_input` their logarithms.
    target : Tensor
        The counts.
    log_input : bool
        Whether the inputs are logarithms.
    full : bool
        Add Stirling's approximation of the logarithm of the counts' factorials.
    eps : float
        Added to an expectation before its logarithm is taken.

    >>> import cnnkit
    >>> poisson_nll_loss(cnnkit.tensor([0.0]), cnnkit.tensor([3.0])).item()
    1.0
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        counts = where(target > 1, target, 1.0)
        stirling = counts * counts.log() - counts + (counts * (2 * math.pi)).log() * 0.5
        loss = loss + where(target > 1, stirling, 0.0)
    return reduced("poisson_nll_loss", loss, reduction)


def gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor | float, full: bool = False,
                      eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood under normal distributions whose variances are given, or predicted.

    Parameters
    ----------
    input, target : Tensor
        Expectations and observations.
    var : Tensor or float
        The variances: of the input's shape, without its last axis, with axes of size 1, or one number.
    full : bool
        Add the constant, half the logarithm of 2 pi.
    eps : float
        The least variance; smaller ones are raised, which their gradient does not notice.

    Raises
    ------
    ValueError
        If `var` does not fit, or is negative.

    References
    ----------
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.

    Examples
    --------
    >>> import cnnkit
    >>> gaussian_nll_loss(cnnkit.tensor([1.0]), cnnkit.tensor([3.0]), cnnkit.tensor([1.0])).item()
    2.0
    """
    if not isinstance(var, Tensor):
        return gaussian_nll_loss(input, target, input.new_full(input.shape, var), full, eps, reduction)
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or any(v not in (1, n) for v, n in zip(var.shape, input.shape)):
            raise ValueError(f"var is of incorrect size: {tuple(var.shape)} for an input of "
                             f"{tuple(input.shape)}")
    if var.numel() and bool((-var.detach()).max() > 0):
        raise ValueError("var has negative entry/entries")
    var = var.clone()
    with no_grad():
        var.copy_(var.clamp(min=eps))
    loss = (var.log() + (input - target) ** 2 / var) * 0.5
    return reduced("gaussian_nll_loss", loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
