"""The losses."""

from __future__ import annotations

from typing import Any

from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator

NONE = -(2**62)  # a class index that no target has


@operator("NegativeLogLikelihoodLoss", state="weight")
def nll_loss(x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int | None = None,
             reduction: str = "mean") -> Tensor:
    return F.nll_loss(x, target, weight, NONE if ignore_index is None else ignore_index, reduction)


@operator("SoftmaxCrossEntropyLoss", state="weight")
def cross_entropy(scores: Tensor, labels: Tensor, weight: Tensor | None = None, *,
                  ignore_index: int | None = None, reduction: str = "mean", results: int) -> Any:
    """The loss, and on request the log-probabilities that it is of."""
    log_probabilities = F.log_softmax(scores, 1)
    loss = F.nll_loss(log_probabilities, labels, weight, NONE if ignore_index is None else ignore_index,
                      reduction)
    return loss if results == 1 else (loss, log_probabilities)
