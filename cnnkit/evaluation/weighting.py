"""Weighted means: losses with a weight for each sample."""

from __future__ import annotations

from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.ops.precision import is_narrow

__all__ = ["cross_entropy", "weighted_mean"]


def weighted_mean(losses: Tensor, weight: Tensor | None = None) -> Tensor:
    """sum(weight * losses) / sum(weight), for losses and weights (N,); 0 if all are 0. The mean without any.

    float16 and bfloat16 are summed in float32, and the result has the dtype of the losses.

    >>> import cnnkit
    >>> weighted_mean(cnnkit.tensor([1.0, 5.0]), cnnkit.tensor([3.0, 1.0])).item()
    2.0
    """
    if weight is None:
        return losses.mean()
    mean, weight = (v.to(dtype="float32") if is_narrow(v.dtype) else v for v in (losses, weight))
    total = weight.sum()
    mean = (mean * weight).sum() / F.where(total == 0, total + 1, total)
    return mean.to(dtype=losses.dtype) if is_narrow(losses.dtype) else mean


def cross_entropy(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy, averaged with a weight for each sample: the default loss of `fit` and `evaluate`."""
    return (F.cross_entropy(output, target) if weight is None
            else weighted_mean(F.cross_entropy(output, target, reduction="none"), weight))
