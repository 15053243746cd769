"""Loss modules: each is its function of `cnnkit.functional`, with its settings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn.distance import PairwiseDistance
from cnnkit.nn.function import FunctionModule
from cnnkit.nn.module import Module

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss",
           "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss",
           "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
           "NLLLoss", "NLLLoss2d", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
           "TripletMarginWithDistanceLoss"]


class CrossEntropyLoss(FunctionModule, function=F.cross_entropy, inputs=2, buffers=("weight",), shown=False):
    """Cross-entropy of scores and class indices or probabilities (see `functional.cross_entropy`).

    `weight` is a buffer, so it moves with the module.

    >>> import cnnkit
    >>> round(CrossEntropyLoss()(cnnkit.tensor([[0.0, 0.0]]), cnnkit.tensor([1])).item(), 4)
    0.6931
    """

    weight: Tensor | None
    ignore_index: int
    reduction: str


class NLLLoss(FunctionModule, function=F.nll_loss, inputs=2, buffers=("weight",), shown=False):
    """Negative log-likelihood of class indices under log-probabilities; see `functional.nll_loss`.

    >>> import cnnkit
    >>> NLLLoss()(cnnkit.tensor([[-2.0, -1.0]]), cnnkit.tensor([0])).item()
    2.0
    """

    weight: Tensor | None
    ignore_index: int
    reduction: str


class MSELoss(FunctionModule, function=F.mse_loss, inputs=2, shown=False):
    """Mean squared error; arguments as of `functional.mse_loss`.

    >>> import cnnkit
    >>> MSELoss()(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 4.0])).item()
    2.0
    """

    reduction: str


class CTCLoss(FunctionModule, function=F.ctc_loss, inputs=4, shown=False):
    """The loss of sequences that are not aligned with the frames; see `functional.ctc_loss`.

    >>> import cnnkit
    >>> even = cnnkit.zeros(2, 1, 2).log_softmax(-1)
    >>> round(CTCLoss()(even, cnnkit.tensor([[1]]), [2], [1]).item(), 4)
    0.2877
    """

    blank: int
    reduction: str
    zero_infinity: bool


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss` of images."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"):
        warnings.warn("NLLLoss2d has been deprecated. Please use NLLLoss instead as a drop-in replacement.",
                      FutureWarning, stacklevel=2)
        super().__init__(weight, ignore_index, reduction)


class L1Loss(FunctionModule, function=F.l1_loss, inputs=2, shown=False):
    """Mean absolute error; arguments as of `functional.l1_loss`."""


class SmoothL1Loss(FunctionModule, function=F.smooth_l1_loss, inputs=2, shown=False):
    """Squared error near 0, absolute error beyond; arguments as of `functional.smooth_l1_loss`."""


class HuberLoss(FunctionModule, function=F.huber_loss, inputs=2, shown=False):
    """Squared error near 0, a line beyond; arguments as of `functional.huber_loss`."""


class KLDivLoss(FunctionModule, function=F.kl_div, inputs=2, shown=False):
    """Divergence of Kullback and Leibler; arguments as of `functional.kl_div`."""


class PoissonNLLLoss(FunctionModule, function=F.poisson_nll_loss, inputs=2, shown=False):
    """Negative log-likelihood of counts; arguments as of `functional.poisson_nll_loss`."""


class GaussianNLLLoss(FunctionModule, function=F.gaussian_nll_loss, inputs=3, shown=False):
    """Negative log-likelihood of numbers with a variance; arguments as of `functional.gaussian_nll_loss`."""


class BCELoss(FunctionModule, function=F.binary_cross_entropy, inputs=2, buffers=("weight",), shown=False):
    """Binary cross-entropy of probabilities; arguments as of `functional.binary_cross_entropy`."""


class BCEWithLogitsLoss(FunctionModule, function=F.binary_cross_entropy_with_logits,
                        inputs=2, buffers=("weight", "pos_weight"), shown=False):
    """Binary cross-entropy of scores; arguments as of `functional.binary_cross_entropy_with_logits`."""


class SoftMarginLoss(FunctionModule, function=F.soft_margin_loss, inputs=2, shown=False):
    """Logistic loss of targets 1 and -1; arguments as of `functional.soft_margin_loss`."""


class MultiLabelSoftMarginLoss(FunctionModule, function=F.multilabel_soft_margin_loss,
                               inputs=2, buffers=("weight",), shown=False):
    """Binary cross-entropy over classes; arguments as of `functional.multilabel_soft_margin_loss`."""


class HingeEmbeddingLoss(FunctionModule, function=F.hinge_embedding_loss, inputs=2, shown=False):
    """Distances, small or above a margin; arguments as of `functional.hinge_embedding_loss`."""


class CosineEmbeddingLoss(FunctionModule, function=F.cosine_embedding_loss, inputs=3, shown=False):
    """Angles, small or above a margin; arguments as of `functional.cosine_embedding_loss`."""


class MarginRankingLoss(FunctionModule, function=F.margin_ranking_loss, inputs=3, shown=False):
    """One number above another by a margin; arguments as of `functional.margin_ranking_loss`."""


class MultiMarginLoss(FunctionModule, function=F.multi_margin_loss,
                      inputs=2, buffers=("weight",), shown=False):
    """The right class above the others by a margin; arguments as of `functional.multi_margin_loss`."""


class MultiLabelMarginLoss(FunctionModule, function=F.multilabel_margin_loss, inputs=2, shown=False):
    """The right classes above the others by 1; arguments as of `functional.multilabel_margin_loss`."""


class TripletMarginLoss(FunctionModule, function=F.triplet_margin_loss, inputs=3, shown=False):
    """One distance above another by a margin; arguments as of `functional.triplet_margin_loss`."""


class TripletMarginWithDistanceLoss(Module):
    """`TripletMarginLoss` with any distance; see `functional.triplet_margin_with_distance_loss`."""

    margin: float
    swap: bool

    def __init__(self, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
                 margin: float = 1.0, swap: bool = False, reduction: str = "mean"):
        super().__init__()
        self.distance_function: Any = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap
        self.reduction = reduction

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin,
            swap=self.swap, reduction=self.reduction)
