"""Losses by loops: the ground truth for `cross_entropy`, `nll_loss` and `mse_loss`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnkit.conformance.reference.activation import log_softmax, log_softmax_gradients

__all__ = ["cross_entropy", "cross_entropy_gradients", "mse_loss", "mse_loss_gradients",
           "nll_loss", "nll_loss_gradients"]

Array = np.ndarray


def reduced(losses: Array, total: float, reduction: str) -> Array:
    """The losses themselves, their sum, or their sum over `total`."""
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore", divide="ignore"):  # where every label is ignored, the mean is 0 / 0
        return np.asarray(np.float64(losses.sum()) / (total if reduction == "mean" else 1.0))


def share(dy: Array, index: tuple[Any, ...], total: float, reduction: str) -> float:
    """The gradient of one sample's loss, from that of the reduced loss."""
    if reduction == "none":
        return float(dy[index])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.float64(dy) / (total if reduction == "mean" else 1.0))


def targets(shape: tuple[int, ...], target: Array, weight: Array | None, ignore_index: int,
            smoothing: float) -> Iterator[tuple[Any, ...]]:
    """Per sample: its index, the coefficient of each class's -log p, and its part in the mean's divisor.

    With class labels the coefficients are ``(1 - smoothing)`` at the label and ``smoothing / C``
    everywhere, times the class's weight, and the divisor is the label's weight; an ignored label has
    neither. With probabilities the coefficients are the smoothed probabilities times the weights, and the
    divisor counts samples.
    """
    C = shape[1]
    weights = [1.0] * C if weight is None else [float(w) for w in weight]
    for index in np.ndindex(shape[0], *shape[2:]):
        if target.shape == shape:  # probabilities
            ps = target[(index[0], slice(None), *index[1:])]
            yield index, [w * (p * (1 - smoothing) + smoothing / C) for w, p in zip(weights, ps)], 1.0
        elif target[index] == ignore_index:
            yield index, [0.0] * C, 0.0
        else:
            label = int(target[index])
            yield index, [w * ((1 - smoothing) * (c == label) + smoothing / C)
                       for c, w in enumerate(weights)], weights[label]


def nll_loss(log_probs: Array, target: Array, weight: Array | None, *, ignore_index: int, reduction: str,
             smoothing: float = 0.0) -> Array:
    """- log p of the label, times the label's weight; one sample without a batch axis is a batch of one."""
    if log_probs.ndim == 1:
        losses = nll_loss(log_probs[None], target[None], weight, ignore_index=ignore_index,
                          reduction=reduction, smoothing=smoothing)
        return losses[0] if reduction == "none" else losses
    losses, total = np.zeros((log_probs.shape[0], *log_probs.shape[2:])), 0.0
    for index, coefficients, divisor in targets(log_probs.shape, target, weight, ignore_index, smoothing):
        for c, coefficient in enumerate(coefficients):
            if coefficient:
                losses[index] -= coefficient * log_probs[(index[0], c, *index[1:])]
        total += divisor
    return reduced(losses, total, reduction)


def nll_loss_gradients(dy: Array, log_probs: Array, target: Array, weight: Array | None, *, ignore_index: int,
                       reduction: str, smoothing: float = 0.0) -> tuple[Any, ...]:
    """By log p: -coefficient. By a target probability: -weight * (1 - smoothing) * log p."""
    if log_probs.ndim == 1:
        dx, dt, _ = nll_loss_gradients(dy[None] if reduction == "none" else dy, log_probs[None], target[None],
                                       weight, ignore_index=ignore_index, reduction=reduction,
                                       smoothing=smoothing)
        return dx[0], None if dt is None else dt[0], None
    samples = list(targets(log_probs.shape, target, weight, ignore_index, smoothing))
    total, dx = sum(divisor for _, _, divisor in samples), np.zeros(log_probs.shape)
    dt = np.zeros(log_probs.shape) if target.shape == log_probs.shape else None
    for index, coefficients, _ in samples:
        for c, coefficient in enumerate(coefficients):
            position = (index[0], c, *index[1:])
            if coefficient:
                dx[position] = -coefficient * share(dy, index, total, reduction)
            if dt is not None:
                w = 1.0 if weight is None else weight[c]
                dt[position] = -w * (1 - smoothing) * log_probs[position] * share(dy, index, total, reduction)
    return dx, dt, None


def cross_entropy(logits: Array, target: Array, weight: Array | None, *, ignore_index: int, reduction: str,
                  label_smoothing: float) -> Array:
    """The negative log-likelihood of the log-softmax over the classes."""
    return nll_loss(log_softmax(logits, axis=min(1, logits.ndim - 1)), target, weight,
                    ignore_index=ignore_index, reduction=reduction, smoothing=label_smoothing)


def cross_entropy_gradients(dy: Array, logits: Array, target: Array, weight: Array | None, *,
                            ignore_index: int, reduction: str, label_smoothing: float) -> tuple[Any, ...]:
    """The chain rule through the log-softmax."""
    axis = min(1, logits.ndim - 1)
    d, dt, _ = nll_loss_gradients(dy, log_softmax(logits, axis=axis), target, weight,
                                  ignore_index=ignore_index, reduction=reduction, smoothing=label_smoothing)
    return (*log_softmax_gradients(d, logits, axis=axis), dt, None)


def mse_loss(x: Array, target: Array, *, reduction: str) -> Array:
    """(x - target)^2."""
    losses = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        losses[index] = (x[index] - target[index]) ** 2
    return reduced(losses, losses.size, reduction)


def mse_loss_gradients(dy: Array, x: Array, target: Array, *, reduction: str) -> tuple[Any, ...]:
    """2 (x - target), and minus that."""
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        dx[index] = 2 * (x[index] - target[index]) * share(dy, index, x.size, reduction)
    return dx, -dx
