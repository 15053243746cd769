"""Losses: cross-entropy, negative log-likelihood and mean squared error.

Labels are turned into one-hot arrays by comparison with 0 ... C - 1: the Array API's gather is incomplete,
and a comparison needs no check of the labels' range, which on a device would cost a synchronisation. A
label outside 0 ... C - 1 that is not `ignore_index` makes the loss and its gradient NaN; NumPy's kernel
raises instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import backend_of, dtype_name, namespace_of
from cnnkit.ops.activation import log_probabilities
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating, is_integer, need_floating, widen

Array = Any
REDUCTIONS = ("mean", "sum", "none")


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name} got reduction={reduction!r}; "
                         f"it is one of {', '.join(map(repr, REDUCTIONS))}")


def _infer_classes(name: str, shapes: Sequence, dtypes: Sequence, reduction: str,
                   probabilities: bool) -> tuple:
    logits, target, weight = shapes
    _check_reduction(name, reduction)
    need_floating(name, dtypes[0])
    if not logits:
        raise ValueError(f"{name} got an input without axes; it needs (N, C), (N, C, H, W) or (C,)")
    axis = 1 if len(logits) > 1 else 0
    C = logits[axis]
    if C == 0:
        raise ValueError(f"{name} got an input of shape {tuple(logits)}: no classes")
    labels = (*logits[:axis], *logits[axis + 1:])
    if probabilities and is_floating(dtypes[1]):
        if tuple(target) != tuple(logits):
            hint = "; class indices must be integers" if tuple(target) == labels else ""
            raise ValueError(f"{name} got an input of shape {tuple(logits)} and a floating-point target of "
                             f"shape {tuple(target)}; probabilities need the input's shape{hint}")
    elif not is_integer(dtypes[1]):
        raise TypeError(f"{name} needs integer class "
                        f"indices{' (or floating-point probabilities)' * probabilities}; the target is "
                        f"{dtype_name(dtypes[1])}")
    elif tuple(target) != labels:
        hint = ("; convert one-hot targets to floating point" if probabilities
                else "; take argmax(1) of one-hot targets") if tuple(target) == tuple(logits) else ""
        raise ValueError(f"{name} got an input of shape {tuple(logits)} and class indices of shape "
                         f"{tuple(target)}; they need shape {labels}{hint}")
    if weight is not None and tuple(weight) != (C,):
        raise ValueError(f"{name} got a weight of shape {tuple(weight)} for {C} classes; "
                         f"it needs one for each: ({C},)")
    return ((labels if reduction == "none" else (), dtypes[0]),)


def _infer_cross_entropy(shapes: Sequence, dtypes: Sequence, *, ignore_index: int, reduction: str,
                         label_smoothing: float) -> tuple:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy needs a label_smoothing between 0 and 1; got {label_smoothing}")
    return _infer_classes("cross_entropy", shapes, dtypes, reduction, True)


def _infer_nll_loss(shapes: Sequence, dtypes: Sequence, *, ignore_index: int, reduction: str) -> tuple:
    return _infer_classes("nll_loss", shapes, dtypes, reduction, False)


@op(infer=_infer_cross_entropy, sums=True, torch="torch.nn.functional.cross_entropy", saves={0: (1, 2)})
def cross_entropy(logits: Array, target: Array, weight: Array | None, *, needs: Sequence[bool],
                  ignore_index: int, reduction: str, label_smoothing: float) -> tuple:
    """-sum over classes of weight * target * log_softmax(logits), the target being one-hot or probabilities.

    Parameters
    ----------
    logits : array, (N, C, ...) or (C,)
        Unnormalised scores.
    target : array, (N, ...) of integers, or the shape of `logits` and floating-point
        Class indices, or probabilities.
    weight : array, (C,), or None
        Weight of each class.
    ignore_index : int
        Samples with this class index count for nothing.
    reduction : {"mean", "sum", "none"}
        The mean is weighted: it divides by the sum of the targets' class weights where there are class
        indices, by the number of samples where there are probabilities. It is NaN where that is 0.
    label_smoothing : float
        Part of each target that is spread over all classes (Szegedy et al. 2016).
    """
    if needs[2]:
        raise ValueError("cross_entropy has no gradient with respect to weight; pass weight.detach()")
    xp, dtype = namespace_of(logits), logits.dtype
    axis = 1 if logits.ndim > 1 else 0
    C = logits.shape[axis]
    log_p = log_probabilities(logits, axis)
    weights = None if weight is None else _reshape_along(widen(weight), axis, logits.ndim)
    if is_floating(target.dtype):
        desired = widen(target)
        if label_smoothing:
            desired = desired * (1 - label_smoothing) + label_smoothing / C
        if weights is not None:
            desired = desired * weights
        total: Any = math.prod(logits.shape) // C
        counted = invalid = None
    else:
        chosen, counted, invalid = _chosen(target, log_p, axis, ignore_index)
        desired = total = _weighted(xp.astype(chosen, log_p.dtype), weights)
        if label_smoothing:
            smoothed = xp.astype(chosen, log_p.dtype) * (1 - label_smoothing) + label_smoothing / C
            desired = _weighted(xp.where(counted, smoothed, xp.zeros_like(smoothed)), weights)
        total = xp.sum(total)
    loss, share = _reduce(_losses(desired, log_p, axis, invalid), total, reduction)
    if not any(needs):
        return xp.astype(loss, dtype, copy=False), None

    def backward(dy: Array) -> tuple:
        g = share(dy, axis, invalid)
        if counted is not None:  # an ignored sample has no gradient, even where dy is infinite
            g = xp.where(counted, g, xp.zeros_like(g))
        dlogits = dtarget = None
        if needs[0]:
            dlogits = (xp.exp(log_p) * xp.sum(desired, axis=axis, keepdims=True) - desired) * g
            dlogits = xp.astype(dlogits, dtype, copy=False)
        if needs[1]:
            dtarget = log_p * (g * (label_smoothing - 1))
            dtarget = xp.astype(dtarget if weights is None else dtarget * weights, target.dtype, copy=False)
        return dlogits, dtarget, None
    return xp.astype(loss, dtype, copy=False), backward


@op(infer=_infer_nll_loss, sums=True, torch="torch.nn.functional.nll_loss")
def nll_loss(log_probs: Array, target: Array, weight: Array | None, *, needs: Sequence[bool],
             ignore_index: int, reduction: str) -> tuple:
    """-weight * log_probs at each target: `cross_entropy` of class indices without its log-softmax."""
    if needs[2]:
        raise ValueError("nll_loss has no gradient with respect to weight; pass weight.detach()")
    xp, dtype = namespace_of(log_probs), log_probs.dtype
    axis = 1 if log_probs.ndim > 1 else 0
    widened = widen(log_probs)
    weights = None if weight is None else _reshape_along(widen(weight), axis, log_probs.ndim)
    chosen, _, invalid = _chosen(target, widened, axis, ignore_index)
    desired = _weighted(xp.astype(chosen, widened.dtype), weights)
    loss, share = _reduce(_losses(desired, widened, axis, invalid), xp.sum(desired), reduction)

    def backward(dy: Array) -> tuple:
        # an infinite dy does not reach the other classes
        g = xp.where(chosen | invalid, share(dy, axis, invalid), xp.zeros_like(desired))
        return xp.astype(-desired * g, dtype, copy=False), None, None
    return xp.astype(loss, dtype, copy=False), backward if needs[0] else None


def _infer_mse_loss(shapes: Sequence, dtypes: Sequence, *, reduction: str) -> tuple:
    _check_reduction("mse_loss", reduction)
    need_floating("mse_loss", dtypes[0])
    if tuple(shapes[0]) != tuple(shapes[1]):
        raise ValueError(f"mse_loss got an input of shape {tuple(shapes[0])} and a target of shape "
                         f"{tuple(shapes[1])}; they need the same shape (broadcasting them is nearly always "
                         "a mistake: reshape or expand one)")
    if dtypes[0] != dtypes[1]:
        raise TypeError(f"mse_loss got an input of dtype {dtype_name(dtypes[0])} and a target of dtype "
                        f"{dtype_name(dtypes[1])}; convert one with .to(dtype=...)")
    return ((shapes[0] if reduction == "none" else (), dtypes[0]),)


@op(infer=_infer_mse_loss, sums=True, torch="torch.nn.functional.mse_loss")
def mse_loss(x: Array, target: Array, *, needs: Sequence[bool], reduction: str) -> tuple:
    """(x - target) ** 2, and its mean or sum."""
    xp, dtype = namespace_of(x), x.dtype
    difference = widen(x) - widen(target)
    loss, share = _reduce(difference * difference, math.prod(x.shape), reduction)

    def backward(dy: Array) -> tuple:
        dx = xp.astype(difference * (2 * share(dy, None, None)), dtype, copy=False)
        return dx if needs[0] else None, -dx if needs[1] else None
    return xp.astype(loss, dtype, copy=False), backward if any(needs) else None


# -- shared by the losses ------------------------------------------------------------------------------------

def _reshape_along(values: Array, axis: int, ndim: int) -> Array:
    """(C,) reshaped so that it broadcasts along `axis` of an array with `ndim` axes."""
    return namespace_of(values).reshape(values, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


def _chosen(target: Array, like: Array, axis: int, ignore_index: int) -> tuple[Array, Array, Array]:
    """Where the classes are that the targets name.

    Returns
    -------
    chosen : array of bool, of the shape of `like`
        Each sample's class; none for an ignored sample.
    counted, invalid : array of bool, with size 1 along `axis`
        Samples that are not ignored, and those of them whose class does not exist.
    """
    xp, C = namespace_of(like), like.shape[axis]
    target = xp.astype(target, backend_of(like).dtype("int64"), copy=False)  # to compare -100 and C with it
    target = xp.expand_dims(target, axis=axis)
    counted = target != ignore_index
    invalid = counted & ((target < 0) | (target >= C))
    classes = _reshape_along(xp.arange(C, dtype=target.dtype, device=getattr(target, "device", None)),
                             axis, like.ndim)
    return (target == classes) & counted, counted, invalid


def _weighted(desired: Array, weights: Array | None) -> Array:
    """Times the classes' weights; an infinite weight changes nothing for classes that are not desired."""
    if weights is None:
        return desired
    xp = namespace_of(desired)
    return xp.where(desired == 0, desired, desired * weights)


def _losses(desired: Array, log_p: Array, axis: int, invalid: Array | None) -> Array:
    """-sum of desired * log_p over the classes, with 0 * log(0) = 0, and NaN for invalid targets."""
    xp = namespace_of(log_p)
    losses = 0 - xp.sum(desired * xp.where(desired == 0, xp.zeros_like(log_p), log_p), axis=axis)
    return losses if invalid is None else _nan_where(losses, xp.squeeze(invalid, axis=axis))


def _nan_where(values: Array, where: Array) -> Array:
    """NaN where the condition holds."""
    xp = namespace_of(values)
    return xp.where(where, xp.full_like(values, math.nan), values)


def _reduce(losses: Array, total: Any, reduction: str) -> tuple:
    """The reduced loss, and the function that makes each sample's share of its gradient.

    ``share(dy, axis, invalid)`` broadcasts against the input; `axis` is where the class axis was taken
    out. The mean divides by `total`, a number or a 0-d array; it is NaN where that is 0, and the gradient
    0, as PyTorch's.
    """
    xp = namespace_of(losses)
    if reduction == "none":
        loss = losses
    elif reduction == "sum":
        loss = xp.sum(losses)
    else:
        if isinstance(total, int):
            total = xp.asarray(total, dtype=losses.dtype, device=getattr(losses, "device", None))
        empty = total == 0
        total = xp.where(empty, xp.ones_like(total), total)
        loss = _nan_where(xp.sum(losses) / total, empty)

    def share(dy: Array, axis: int | None, invalid: Array | None) -> Array:
        g = widen(dy)
        if reduction == "mean":
            g = g / total
        if reduction == "none" and axis is not None:
            g = xp.expand_dims(g, axis=axis)
        elif axis is not None:
            g = xp.reshape(g, (1,) * (losses.ndim + 1))
        if invalid is not None:
            g = _nan_where(xp.broadcast_to(g, invalid.shape), invalid)
        return g
    return loss, share
