"""Losses of yes and no: for each element by itself, and for masks."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions import log1p, sigmoid, where
from cnnkit.functional.activation import logsigmoid
from cnnkit.functional.reduced import reduced, same_shape

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "dice_loss",
           "multilabel_soft_margin_loss", "sigmoid_focal_loss", "soft_margin_loss"]


@runs_in(FLOAT32)
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                         reduction: str = "mean") -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)); no logarithm counts for less than -100.

    Better is `binary_cross_entropy_with_logits` on what comes before the sigmoid.

    Parameters
    ----------
    input : Tensor
        Probabilities, from 0 to 1. Where one is 0 or 1 it has no gradient.
    target : Tensor, of the input's shape
        The probabilities that are wanted.
    weight : Tensor, optional
        Broadcast to the losses, and multiplied with them.

    Raises
    ------
    ValueError
        If the shapes differ.

    >>> import cnnkit
    >>> round(binary_cross_entropy(cnnkit.tensor([0.5, 1.0]), cnnkit.tensor([1.0, 1.0])).item(), 4)
    0.3466
    """
    same_shape("binary_cross_entropy", input, target)
    above, below = input > 0, input < 1
    yes = where(above, where(above, input, 1.0).log(), -100.0).clamp(min=-100.0)
    no = where(below, log1p(-where(below, input, 0.0)), -100.0).clamp(min=-100.0)
    loss = (target - 1) * no - target * yes
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


@runs_in(FLOAT32)
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     reduction: str = "mean", pos_weight: Tensor | None = None) -> Tensor:
    """`binary_cross_entropy` of ``sigmoid(input)``, exact for any input.

    Parameters
    ----------
    input : Tensor
        Scores.
    target : Tensor, of the input's shape
        The probabilities that are wanted.
    weight : Tensor, optional
        Broadcast to the losses, and multiplied with them.
    pos_weight : Tensor, optional
        The weight of yes, broadcast: one for each class of the last axis, say.

    Raises
    ------
    ValueError
        If the shapes differ.

    >>> import cnnkit
    >>> binary_cross_entropy_with_logits(cnnkit.tensor([-1000.0]), cnnkit.tensor([1.0])).item()
    1000.0
    """
    same_shape("binary_cross_entropy_with_logits", input, target)
    log_p = logsigmoid(input)
    if pos_weight is not None:
        log_p = log_p * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_p
    return reduced("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


@runs_in(FLOAT32)
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)) of targets 1 and -1.

    >>> import cnnkit
    >>> soft_margin_loss(cnnkit.tensor([-1000.0]), cnnkit.tensor([1.0])).item()
    1000.0
    """
    same_shape("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", -logsigmoid(target * input), reduction)


def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                reduction: str = "mean") -> Tensor:
    """The mean over classes of `binary_cross_entropy_with_logits`: one number for each sample.

    Parameters
    ----------
    input : Tensor, (..., C)
        Scores.
    target : Tensor, of the input's shape
        1 for each class that is there, 0 for the others.
    weight : Tensor, (C,), optional
        The classes' weights.

    >>> import cnnkit
    >>> multilabel_soft_margin_loss(cnnkit.tensor([[0.0, -1000.0]]), cnnkit.tensor([[1.0, 1.0]])).item() > 500
    True
    """
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return reduced("multilabel_soft_margin_loss", loss.mean(-1), reduction)


def sigmoid_focal_loss(inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2,
                       reduction: str = "none") -> Tensor:
    """Binary cross-entropy that counts less the surer a right answer is: torchvision's function.

    Parameters
    ----------
    inputs, targets : Tensor
        Scores, and 1 or 0 for each, of the same shape.
    alpha : float
        The weight of yes, 1 - `alpha` being that of no; a negative one weighs nothing.
    gamma : float
        How much less; 0 leaves the cross-entropy.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Examples
    --------
    >>> import cnnkit
    >>> round(sigmoid_focal_loss(cnnkit.tensor([0.0]), cnnkit.tensor([1.0])).item(), 4)
    0.0433
    """
    p = sigmoid(inputs)
    right = p * targets + (1 - p) * (1 - targets)
    loss = binary_cross_entropy_with_logits(inputs, targets, reduction="none") * (1 - right) ** gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return reduced("sigmoid_focal_loss", loss, reduction)


def dice_loss(input: Tensor, target: Tensor, smooth: float = 0.0, eps: float = 1e-7,
              reduction: str = "mean") -> Tensor:
    """1 minus the overlap of masks, ``(2 * sum(p * t) + smooth) / (sum(p) + sum(t) + smooth)``, by channel.

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        Probabilities: a sigmoid's of masks by themselves, or a softmax's of classes.
    target : Tensor, of the input's shape
        1 where the mask is, 0 elsewhere.
    smooth : float
        Added above and below.
    eps : float
        The least denominator.
    reduction : {"mean", "sum", "none"}
        Over all (N, C).

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net", 2016.

    Examples
    --------
    >>> import cnnkit
    >>> round(dice_loss(cnnkit.tensor([[[1.0, 1.0]]]), cnnkit.tensor([[[1.0, 0.0]]])).item(), 3)
    0.333
    """
    same_shape("dice_loss", input, target)
    if input.ndim < 3:
        raise ValueError(f"dice_loss takes masks (N, C, ...); got shape {tuple(input.shape)}")
    p, t = (values.flatten(2) for values in (input, target))
    overlap = (p * t).sum(-1) * 2 + smooth
    total = ((p + t).sum(-1) + smooth).clamp(min=eps)
    return reduced("dice_loss", 1 - overlap / total, reduction)
