"""Losses that want one number to be larger than another by a margin."""

from __future__ import annotations

from collections.abc import Callable

from cnnkit.autograd import Tensor
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions import arange, minimum, ones, triu, where
from cnnkit.functional.reduced import reduced

__all__ = ["cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
           "multilabel_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]


@runs_in(FLOAT32)
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0,
                         reduction: str = "mean") -> Tensor:
    """The distance itself where the target is 1; where it is -1, what it lacks of `margin`.

    >>> import cnnkit
    >>> hinge_embedding_loss(cnnkit.tensor([0.25, 0.25]), cnnkit.tensor([1.0, -1.0]), reduction="none")
    tensor([0.25, 0.75])
    """
    apart = where(target != 1, (margin - input).clamp(min=0), 0.0)
    together = where(target != -1, input, 0.0)
    return reduced("hinge_embedding_loss", apart + together, reduction)


@runs_in(FLOAT32)
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
                          reduction: str = "mean") -> Tensor:
    """1 minus the cosine of two vectors whose target is 1; where it is -1, the cosine above `margin`.

    Parameters
    ----------
    input1, input2 : Tensor, (N, D) or (D,)
        The vectors.
    target : Tensor, (N,) or ()
        1 or -1.

    Raises
    ------
    ValueError
        If the number of axes does not fit.

    >>> import cnnkit
    >>> x, y = cnnkit.tensor([[1.0, 0.0]]), cnnkit.tensor([[0.0, 2.0]])
    >>> cosine_embedding_loss(x, y, cnnkit.tensor([1.0])).item()
    1.0
    """
    axis = target.ndim
    if axis > 1 or not input1.ndim == input2.ndim == axis + 1:
        raise ValueError("cosine_embedding_loss takes inputs (N, D) and a target (N,), or (D,) and (); got "
                         f"shapes {tuple(input1.shape)}, {tuple(input2.shape)}, {tuple(target.shape)}")
    squares = ((input1 * input1).sum(axis) + 1e-12) * ((input2 * input2).sum(axis) + 1e-12)
    cosine = (input1 * input2).sum(axis) / squares.sqrt()
    loss = (where(target == 1, 1 - cosine, 0.0)
            + where(target == -1, (cosine - margin).clamp(min=0), 0.0))
    return reduced("cosine_embedding_loss", loss, reduction)


@runs_in(FLOAT32)
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
                        reduction: str = "mean") -> Tensor:
    """What the first lacks of being larger than the second by `margin`, or the other way where target is -1.

    >>> import cnnkit
    >>> margin_ranking_loss(cnnkit.tensor([1.0]), cnnkit.tensor([3.0]), cnnkit.tensor([1.0])).item()
    2.0
    """
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError("margin_ranking_loss: all three Tensors must have the same number of axes; got "
                         f"shapes {tuple(input1.shape)}, {tuple(input2.shape)}, {tuple(target.shape)}")
    loss = (-target * (input1 - input2) + margin).clamp(min=0)
    return reduced("margin_ranking_loss", loss, reduction)


@runs_in(FLOAT32)
def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0,
                      weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """What the right class's score lacks of being larger than each other by `margin`, to the power `p`.

    Parameters
    ----------
    input : Tensor, (N, C) or (C,)
        Scores.
    target : Tensor of integers, (N,) or ()
        The right class.
    p : {1, 2}
        The power.
    margin : float
        The margin.
    weight : Tensor, (C,), optional
        Weight of each class, by which a sample of it counts.

    >>> import cnnkit
    >>> multi_margin_loss(cnnkit.tensor([[1.0, 1.5, -4.0]]), cnnkit.tensor([0])).item()
    0.5
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss only supports p == 1 and p == 2; got {p}")
    samples = (tuple(input.shape[:-1]), (1,)) if input.ndim < 2 else (tuple(input.shape[:-1]),)
    if input.ndim > 2 or tuple(target.shape) not in samples:
        raise ValueError("multi_margin_loss takes scores (N, C) and classes (N,); got shapes "
                         f"{tuple(input.shape)} and {tuple(target.shape)}")
    scores = input if input.ndim == 2 else input.reshape(1, -1)
    right = target.reshape(-1, 1).to(dtype="int64")
    lacking = (margin - scores.gather(1, right) + scores).clamp(min=0)
    lacking = lacking if p == 1 else lacking * lacking
    if weight is not None:
        lacking = lacking * weight[right]
    others = arange(scores.shape[1], device=scores.device) != right
    loss = where(others, lacking, 0.0).sum(1) / scores.shape[1]
    return reduced("multi_margin_loss", loss if input.ndim == 2 else loss.reshape(()), reduction)


@runs_in(FLOAT32)
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """What each right class's score lacks of being larger by 1 than each wrong one's, over the classes.

    Parameters
    ----------
    input : Tensor, (N, C) or (C,)
        Scores.
    target : Tensor of integers, of the input's shape
        The right classes, then -1, and anything after that.

    >>> import cnnkit
    >>> multilabel_margin_loss(cnnkit.tensor([[1.0, 1.5, -4.0]]), cnnkit.tensor([[0, -1, -1]])).item()
    0.5
    """
    if input.shape != target.shape or input.ndim > 2:
        raise ValueError("multilabel_margin_loss takes scores and classes of one shape, (N, C) or (C,); got "
                         f"{tuple(input.shape)} and {tuple(target.shape)}")
    count = input.shape[-1] if input.ndim else 1
    scores, classes = input.reshape(-1, count), target.reshape(-1, count).to(dtype="int64")
    ends = (classes == -1).to(dtype=input.dtype)
    counts = (ends @ triu(ones(count, count, dtype=input.dtype, device=input.device))) == 0  # (N, C)
    named = classes.clamp(min=0)
    right = (named.unsqueeze(-1) == arange(count, device=input.device)) & counts.unsqueeze(-1)
    wrong = right.to(dtype="int64").sum(1) == 0  # (N, C)
    lacking = (1 - scores.gather(1, named).unsqueeze(-1) + scores.unsqueeze(1)).clamp(min=0)
    loss = where(counts.unsqueeze(-1) & wrong.unsqueeze(1), lacking, 0.0).sum((1, 2)) / count
    return reduced("multilabel_margin_loss", loss if input.ndim == 2 else loss.reshape(()), reduction)


@runs_in(FLOAT32)
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
                        eps: float = 1e-6, swap: bool = False, reduction: str = "mean") -> Tensor:
    """What the distance to `negative` lacks of being larger than that to `positive` by `margin`.

    Parameters
    ----------
    anchor, positive, negative : Tensor, (N, D) or (D,)
        The vectors.
    p : float
        The norm of the distances.
    eps : float
        Added to differences, so that none is 0.
    swap : bool
        Take the distance from `positive` to `negative` where that is smaller (Balntas et al. 2016).

    >>> import cnnkit
    >>> a, b = cnnkit.tensor([[0.0, 0.0]]), cnnkit.tensor([[3.0, 4.0]])
    >>> round(triplet_margin_loss(a, b, a).item(), 3)
    6.0
    """
    def distance(a: Tensor, b: Tensor) -> Tensor:
        size = (a - b + eps).abs()
        if p == 2:
            return (size * size).sum(-1).sqrt()
        return size.sum(-1) if p == 1 else (size ** p).sum(-1) ** (1 / p)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *,
                                      distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
                                      margin: float = 1.0, swap: bool = False,
                                      reduction: str = "mean") -> Tensor:
    """`triplet_margin_loss` with any distance; the Euclidean by default.

    >>> import cnnkit
    >>> a, b = cnnkit.tensor([[0.0]]), cnnkit.tensor([[3.0]])
    >>> triplet_margin_with_distance_loss(a, b, a, distance_function=lambda a, b: (a - b).abs()).item()
    4.0
    """
    if distance_function is None:
        return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)
    return _triplet("triplet_margin_with_distance_loss", anchor, positive, negative, distance_function,
                    margin, swap, reduction)


def _triplet(name: str, anchor: Tensor, positive: Tensor, negative: Tensor,
             distance: Callable[[Tensor, Tensor], Tensor], margin: float, swap: bool,
             reduction: str) -> Tensor:
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(f"{name}: anchor, positive and negative must have the same number of axes; got "
                         f"shapes {tuple(anchor.shape)}, {tuple(positive.shape)}, {tuple(negative.shape)}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(name, (margin + near - far).clamp(min=0), reduction)
