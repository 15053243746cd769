"""Counting: what a batch's mean loss stands for, so that means of batches become the mean of all of them.

A mean is a sum divided by a count: of labels that are not ignored, of their class weights, of numbers. The
mean over several batches is the sum of their sums divided by the sum of their counts.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any, NamedTuple, cast

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, dtype_name, on
from cnnkit.evaluation.contracts import AnyLoss, WeightedLoss
from cnnkit.evaluation.weighting import IGNORED, cross_entropy, per_label
from cnnkit.foreign import in_host_memory
from cnnkit.ops.dtypes import is_integer, wide_sum

__all__ = ["Count", "Counting", "count_true", "is_empty", "label_sum", "number"]

NUMBERS = (int, float)
Number = Any  # a Python number; an array () where reading one would wait for a device
KINDS = ((F.cross_entropy, "labels"), (F.nll_loss, "labels"), (cross_entropy, "labels"),
         *((function, "numbers") for function in (
             F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div, F.poisson_nll_loss,
             F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.soft_margin_loss,
             F.hinge_embedding_loss)))
OF_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.KLDivLoss, nn.PoissonNLLLoss,
              nn.BCELoss, nn.BCEWithLogitsLoss, nn.SoftMarginLoss, nn.HingeEmbeddingLoss)
OF_ROWS = (nn.MultiLabelSoftMarginLoss, nn.MultiMarginLoss, nn.MultiLabelMarginLoss)


class Count(NamedTuple):
    """What a batch counts for: `loss` is what its mean loss was divided by, `labels` weigh its accuracy."""

    loss: Number
    labels: Number


def is_empty(count: Number) -> bool:
    """Whether a count is known to be 0; one that is still on a device is not asked.

    >>> is_empty(0), is_empty(3)
    (True, False)
    """
    return type(count) in NUMBERS and not count


class Counting:
    """How a loss counts its batches.

    Known are the losses of `nn` and `functional` with their settings (also through `functools.partial`), and
    losses with ``batch_weight`` (`contracts.WeightedLoss`). Any other is taken for a mean over rows, or over
    the weights of rows where there are some.

    Parameters
    ----------
    loss : callable
        The loss.

    Attributes
    ----------
    summed : bool
        Whether the loss is a sum (``reduction="sum"``), not a mean.

    Raises
    ------
    ValueError
        If the loss has ``reduction="none"``, which gives no single number to train on.

    >>> import cnnkit
    >>> targets = cnnkit.tensor([0, 2, -100])
    >>> Counting(F.cross_entropy)(targets)
    Count(loss=2, labels=2)
    >>> Counting(nn.CrossEntropyLoss(ignore_index=0))(targets).loss
    2
    >>> Counting(lambda output, target: output.sum())(targets).loss
    3
    """

    def __init__(self, loss: AnyLoss):
        # an attribute of that name that is no method is none of ours
        weighted = isinstance(loss, WeightedLoss) and callable(loss.batch_weight)
        self._weighted = cast(WeightedLoss, loss) if weighted else None
        self._kind, settings = _known(loss)
        self._class_weight = settings.get("weight")
        self._ignored = settings.get("ignore_index", IGNORED)
        self._plain = self._kind == "labels" and self._class_weight is None
        reduction = settings.get("reduction", "mean")
        if reduction == "none":
            raise ValueError("the loss has reduction='none', one number for each sample, but a single one is "
                             "needed; use reduction='mean'")
        self.summed: Any = reduction == "sum"

    def __call__(self, target: Tensor, weight: Tensor | None = None) -> Count:
        """What a batch counts for, by its targets and the weights (N,) of its rows."""
        array = target.array
        if weight is None and self._plain and _has_ignored(array.dtype):  # what most batches are, at once
            backend = backend_of(array)
            if not backend.switches:
                labels = count_true(backend.namespace, array != self._ignored)
                if type(labels) is not int and in_host_memory(labels):
                    labels = operator.index(labels)
                return Count(labels, labels)
        with on(array):
            return self._count(array, target, weight)

    def _count(self, array: Any, target: Tensor, weight: Tensor | None) -> Count:
        labels = None
        if is_integer(array.dtype) and (self._kind == "labels" or array.ndim == 1):
            if not _has_ignored(array.dtype):
                array = _as_int32(array)
            counted = array != self._ignored
            labels = _read(label_sum(counted, weight))
            if self._kind == "labels":
                weights = self._class_weight
                return Count(labels if weights is None
                             else _read(label_sum(counted, weight, array, weights.array)), labels)
        rows = array.shape[0] if weight is None else _read(wide_sum(weight.array))
        labels = rows if labels is None else labels
        if self._weighted is not None:
            given = self._weighted.batch_weight(target, weight)
            return Count(_read(given.array) if isinstance(given, Tensor) else given, labels)
        if weight is None and self._kind is not None:  # numbers, or probabilities (N, C, ...)
            classes = array.shape[1] if self._kind == "labels" else 1
            return Count(math.prod(array.shape) // classes, labels)
        return Count(rows, labels)

    def labels(self, target: Tensor) -> Tensor:
        """The targets, with -1, which is no class, in place of the class that the loss ignores."""
        if self._ignored < 0 or not is_integer(target.dtype):
            return target
        return F.where(target == self._ignored, -1, target)


def label_sum(counted: Any, weight: Tensor | None = None, labels: Any = None,
              class_weights: Any = None) -> Any:
    """How many labels count, or the sum of their weights: those of their rows, their classes, or both.

    Parameters
    ----------
    counted : array of bool, (N, ...)
        Which labels count.
    weight : Tensor, (N,), optional
        The weight of each row.
    labels, class_weights : array of int, (N, ...), and array, (C,), optional
        The labels, and the weight of each class.
    """
    xp = backend_of(counted).namespace
    if weight is None and labels is None:
        return count_true(xp, counted)
    values = None if weight is None else per_label(weight, counted.ndim).array
    if labels is not None:
        indices = xp.reshape(xp.where(counted, labels, xp.zeros_like(labels)), (-1,))
        classes = xp.reshape(xp.take(class_weights, indices, axis=0), counted.shape)
        values = classes if values is None else values * classes
    values = xp.broadcast_to(values, counted.shape)
    return wide_sum(xp.where(counted, values, xp.zeros_like(values)))


def count_true(xp: Any, flags: Any) -> Any:
    """The number of true values: `count_nonzero` is in the Array API only since 2024.12."""
    return xp.count_nonzero(flags) if hasattr(xp, "count_nonzero") else xp.sum(xp.astype(flags, xp.int64))


def number(value: Any) -> float:
    """A count as a Python number; waits for the device."""
    return value if type(value) in NUMBERS else backend_of(value).to_numpy(value).item()


def _read(count: Any) -> Number:
    """A count as a Python number where no device is waited for, else as it is."""
    return count if type(count) in NUMBERS or not in_host_memory(count) else number(count)


@functools.lru_cache(typed=True)
def _has_ignored(dtype: Any) -> bool:
    """Whether integers of this dtype can be compared with -100 and with any number of classes."""
    return dtype_name(dtype) in ("int32", "int64")


def _as_int32(labels: Any) -> Any:
    xp = backend_of(labels).namespace
    return xp.astype(labels, xp.int32)


def _known(loss: Any) -> tuple[str | None, dict[str, Any]]:
    """Whether a loss counts labels or numbers (``None``: unknown, so rows), and its settings."""
    if isinstance(loss, functools.partial) and not loss.args:
        kind, settings = _known(loss.func)
        return kind, {**settings, **loss.keywords}
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        return "labels", {"weight": loss.weight, "ignore_index": loss.ignore_index,
                          "reduction": loss.reduction}
    if isinstance(loss, OF_NUMBERS + OF_ROWS):
        kind = "numbers" if isinstance(loss, OF_NUMBERS) and loss.reduction != "batchmean" else None
        return kind, {"reduction": loss.reduction}
    return next((kind for function, kind in KINDS if loss is function), None), {}
