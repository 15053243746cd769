"""Weighted means: losses with a weight for each sample."""

from __future__ import annotations

from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.ops.dtypes import is_narrow

__all__ = ["IGNORED", "counted_weights", "cross_entropy", "per_label", "weighted_mean"]

IGNORED = -100  # the label that counts for nothing, PyTorch's `ignore_index`


def weighted_mean(losses: Tensor, weight: Tensor | None = None) -> Tensor:
    """sum(weight * losses) / sum(weight), for losses and weights (N,); 0 if all are 0. The mean without any.

    Losses may have more axes than that, and then weights of a shape that is broadcast to theirs.
    float16 and bfloat16 are summed in float32, and the result has the dtype of the losses.

    >>> import cnnkit
    >>> weighted_mean(cnnkit.tensor([1.0, 5.0]), cnnkit.tensor([3.0, 1.0])).item()
    2.0
    """
    if weight is None:
        return losses.mean()
    mean, weight = (v.to(dtype="float32") if is_narrow(v.dtype) else v for v in (losses, weight))
    total = (weight if weight.shape == losses.shape else weight.expand(*losses.shape)).sum()
    mean = (mean * weight).sum() / F.where(total == 0, total + 1, total)
    return mean.to(dtype=losses.dtype) if is_narrow(losses.dtype) else mean


def cross_entropy(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy, averaged with a weight for each sample: the default loss of `fit` and `evaluate`.

    Labels of -100 count for nothing, whatever the weight of their sample.
    """
    if weight is None:
        return F.cross_entropy(output, target)
    losses = F.cross_entropy(output, target, reduction="none")
    return weighted_mean(losses, counted_weights(output, target, weight))


def counted_weights(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The weights (N,) of samples as weights of their labels, 0 where a label is -100.

    >>> import cnnkit
    >>> scores, weight = cnnkit.tensor([[1.0, 2.0], [0.0, 1.0]]), cnnkit.tensor([3.0, 5.0])
    >>> counted_weights(scores, cnnkit.tensor([1, -100]), weight)
    tensor([3., 0.])
    """
    if target.ndim == output.ndim:  # probabilities
        return per_label(weight, target.ndim - 1)
    return F.where(target == IGNORED, 0.0, per_label(weight, target.ndim))


def per_label(weight: Tensor, ndim: int) -> Tensor:
    """Weights (N,) reshaped to broadcast along the first of `ndim` axes.

    >>> import cnnkit
    >>> per_label(cnnkit.tensor([1.0, 2.0]), 3).shape
    (2, 1, 1)
    """
    return weight if ndim == 1 else weight.reshape(-1, *(1,) * (ndim - 1))
