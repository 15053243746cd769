"""NumPy's losses over class indices: fancy indexing picks the scores; labels out of range raise errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.loss import cross_entropy as op
from cnnkit_numpy.finite import finite


def cross_entropy(logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None, *, needs: Sequence[bool],
                  ignore_index: int, reduction: str, label_smoothing: float) -> tuple:
    """Softmax, logarithm and choice of a class in one; the gradient is softmax minus 1 at each target."""
    if target.dtype.kind == "f":
        return decline("the targets are probabilities; it serves class indices")
    axis = 1 if logits.ndim > 1 else 0
    labels, valid = _valid_labels("cross_entropy", target, logits.shape[axis], ignore_index)
    if label_smoothing or logits.itemsize == 2 or logits.size == 0 or needs[2]:
        return decline(f"{logits.dtype} scores of shape {logits.shape}, label smoothing of "
                       f"{label_smoothing}; it serves 4 or 8 bytes an element, no smoothing, "
                       "no gradient of class weights")
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN, as in PyTorch, without a warning
        shifted = logits - np.maximum.reduce(logits, axis, keepdims=True)
        index = _index(labels, axis)
        losses = shifted[index]
        exp = np.exp(shifted, out=shifted)
        total = np.add.reduce(exp, axis, keepdims=True)
        losses = np.log(total).reshape(losses.shape) - losses
    loss, share = _reduce(losses, _weights(weight, labels, valid, losses.dtype), reduction)
    if not needs[0]:
        return loss, None

    def backward(dy: np.ndarray) -> tuple:
        g = share(dy)
        if not finite(g):  # infinity less infinity is NaN
            _, generic = op.generic(logits, target, weight, needs=needs, ignore_index=ignore_index,
                                    reduction=reduction, label_smoothing=label_smoothing)
            return generic(dy)
        dx = exp * ((g if g.ndim == 0 else np.expand_dims(g, axis)) / total)
        dx[index] -= g
        return dx, None, None
    return loss, backward


def nll_loss(log_probs: np.ndarray, target: np.ndarray, weight: np.ndarray | None, *, needs: Sequence[bool],
             ignore_index: int, reduction: str) -> tuple:
    """The negative score of each sample's class, reduced."""
    axis = 1 if log_probs.ndim > 1 else 0
    labels, valid = _valid_labels("nll_loss", target, log_probs.shape[axis], ignore_index)
    if log_probs.itemsize == 2 or log_probs.size == 0 or needs[2]:
        return decline(f"{log_probs.dtype} of shape {log_probs.shape}; it serves 4 or 8 bytes an element, "
                       "and no gradient of class weights")
    index = _index(labels, axis)
    loss, share = _reduce(-log_probs[index], _weights(weight, labels, valid, log_probs.dtype), reduction)

    def backward(dy: np.ndarray) -> tuple:
        dx = np.zeros_like(log_probs)
        slope = -share(dy)
        dx[index] = slope if valid is None else np.where(valid, slope, 0)
        return dx, None, None
    return loss, backward if needs[0] else None


def _valid_labels(name: str, target: np.ndarray, C: int,
                  ignore_index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels that can be used as indices, and which samples count (None: all of them).

    Raises
    ------
    ValueError
        If a label is outside 0 ... C - 1 and is not `ignore_index`; the message names it, its position and C.
    """
    if target.size == 0:
        return target, None
    lowest, highest = np.minimum.reduce(target, None), np.maximum.reduce(target, None)
    if lowest >= 0 and highest < C and not 0 <= ignore_index < C:
        return target, None
    valid = target != ignore_index
    invalid = valid & ((target < 0) | (target >= C))
    if invalid.any():
        position = tuple(int(i) for i in np.argwhere(invalid)[0])
        raise ValueError(f"{name} got the label {target[position]} at position "
                         f"{position[0] if len(position) == 1 else position} of the target, but the "
                         f"input has {C} classes: labels are 0 to {C - 1}, or ignore_index={ignore_index}")
    return np.where(valid, target, 0), valid


@functools.lru_cache(64)
def _grid(shape: tuple[int, ...], axis: int) -> tuple[Any, ...]:
    """The index of every sample, with a gap at `axis` for its class."""
    grid = list(np.indices(shape, sparse=True))
    return tuple(grid[:axis]), tuple(grid[axis:])


def _index(labels: np.ndarray, axis: int) -> tuple:
    before, after = _grid(labels.shape, axis)
    return (*before, labels, *after)


def _weights(weight: np.ndarray | None, labels: np.ndarray, valid: np.ndarray | None,
             dtype: np.dtype) -> np.ndarray | None:
    """Each sample's weight, 0 where it is ignored; None where all are 1."""
    if weight is None:
        return None if valid is None else valid.astype(dtype)
    per_sample = weight.astype(dtype, copy=False)[labels]
    return per_sample if valid is None else np.where(valid, per_sample, 0)


def _reduce(losses: np.ndarray, weights: np.ndarray | None, reduction: str) -> tuple[Any, Callable]:
    """The reduced loss, and a function from its gradient to each sample's (0-d where all are equal)."""
    total: Any = losses.size
    if weights is not None:
        losses = np.multiply(losses, weights, where=weights != 0, out=np.zeros_like(losses))
        total = np.add.reduce(weights, None)
    if reduction == "none":
        loss = losses
    else:
        loss = np.add.reduce(losses, None)
        if reduction == "mean":
            loss = loss / total if total != 0 else losses.dtype.type(math.nan)

    def share(dy: np.ndarray) -> np.ndarray:
        g = dy / (total or 1) if reduction == "mean" else dy
        if weights is not None:  # an ignored sample has no gradient, even where dy is infinite
            g = np.multiply(weights, g, where=weights != 0, out=np.zeros_like(weights))
        return np.asarray(g, losses.dtype)
    return loss, share
