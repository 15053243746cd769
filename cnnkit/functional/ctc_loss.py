"""The loss of sequences, such as the text in an image, that are not aligned with what the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnkit.ops.ctc as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions import where
from cnnkit.functional.reduced import check_reduction

__all__ = ["ctc_loss"]


@runs_in(FLOAT32)
def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Tensor | Sequence[int],
             target_lengths: Tensor | Sequence[int], blank: int = 0, reduction: str = "mean",
             zero_infinity: bool = False) -> Tensor:
    """Negative log-likelihood of sequences of labels, over all their alignments with the frames.

    The gradient with respect to `log_probs` supposes, as in PyTorch, that they come from a log-softmax.

    Parameters
    ----------
    log_probs : Tensor, (T, N, C) or (T, C)
        The logarithms of each frame's probabilities, such as those of `log_softmax`.
    targets : Tensor of integers, (N, S), or (sum of target_lengths,)
        The labels, of each sequence in a row, or of all one after the other.
    input_lengths, target_lengths : Tensor of integers or sequence of int, (N,), or () without a batch
        How many frames and how many labels each sequence has.
    blank : int
        The class that stands for no label.
    reduction : {"mean", "sum", "none"}
        The mean is of the losses over the numbers of labels.
    zero_infinity : bool
        Let sequences with too few frames for their labels count for nothing; otherwise their loss is
        infinite.

    Raises
    ------
    ValueError, RuntimeError
        If shapes, lengths or `blank` do not fit.

    References
    ----------
    Graves et al., "Connectionist temporal classification", ICML 2006.

    Examples
    --------
    >>> import cnnkit
    >>> even = cnnkit.zeros(2, 1, 2).log_softmax(-1)  # two frames, a blank and one label
    >>> round(ctc_loss(even, cnnkit.tensor([[1]]), [2], [1]).item(), 4)  # 3 of 4 paths: -log(3 / 4)
    0.2877
    """
    check_reduction("ctc_loss", reduction)
    if log_probs.ndim == 2:
        loss = ctc_loss(log_probs.unsqueeze(1), targets.reshape(1, -1), _listed(input_lengths),
                        _listed(target_lengths), blank, "mean" if reduction == "mean" else "none",
                        zero_infinity)
        return loss.sum() if reduction == "sum" else loss.reshape(())
    if log_probs.ndim != 3:
        raise RuntimeError("ctc_loss takes log_probs (T, N, C) or (T, C); "
                           f"got shape {tuple(log_probs.shape)}")
    T, N, _ = log_probs.shape
    inputs, labels = _listed(input_lengths), _listed(target_lengths)
    for name, lengths_of in (("input_lengths", inputs), ("target_lengths", labels)):
        if len(lengths_of) != N:
            raise RuntimeError(f"{name} must be of size batch_size, {N}; got {len(lengths_of)}")
        if lengths_of and min(lengths_of) < 0:
            raise RuntimeError(f"Expected {name} to be 0 or more; got {min(lengths_of)}")
    if inputs and max(inputs) > T:
        raise RuntimeError(f"Expected input_lengths to have value at most {T}, but got value {max(inputs)}")
    rows = _rows(targets, labels)
    loss = apply(ops.ctc, log_probs, rows, *(targets.new_tensor(lengths_of, dtype="int64")
                                             for lengths_of in (inputs, labels)),
                 blank=blank, zero_infinity=zero_infinity)
    if reduction == "mean":
        return (loss / loss.new_tensor([max(length, 1) for length in labels])).mean()
    return loss.sum() if reduction == "sum" else loss


def _listed(lengths: Any) -> list[int]:
    """Lengths as integers, from a Tensor or a sequence of them, or one."""
    values = lengths.reshape(-1).tolist() if isinstance(lengths, Tensor) else lengths
    return [int(value) for value in values] if isinstance(values, list | tuple) else [int(values)]


def _rows(targets: Tensor, lengths: list[int]) -> Tensor:
    """The labels of each sequence in a row, as long as the longest; any label fills the others up."""
    longest = max(lengths, default=0)
    targets = targets.to(dtype="int64")
    if targets.ndim == 2:
        if targets.shape[0] != len(lengths) or targets.shape[1] < longest:
            raise RuntimeError(f"Expected targets to have shape ({len(lengths)}, {longest} or more); "
                               f"got {tuple(targets.shape)}")
        found = targets[:, :longest]
        inside = targets.new_tensor([[place < n for place in range(longest)] for n in lengths], dtype="bool")
        return where(inside.reshape(found.shape), found, 0)  # whatever is beyond may be no label
    if targets.ndim != 1 or targets.shape[0] < sum(lengths):
        raise RuntimeError("Expected targets of shape (N, S), or one after the other, "
                           f"({sum(lengths)},); got {tuple(targets.shape)}")
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    places = [min(start + min(place, max(n - 1, 0)), max(targets.shape[0] - 1, 0))
              for start, n in zip(starts, lengths) for place in range(longest)]
    if not places:
        return targets[:0].reshape(len(lengths), 0)
    return targets.index_select(0, targets.new_tensor(places)).reshape(len(lengths), longest)
