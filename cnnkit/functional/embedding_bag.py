"""Sums, means and maxima of rows of a table, a bag of numbers at a time."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.autograd.functions import where
from cnnkit.functional.embedding import embedding

__all__ = ["embedding_bag"]

MODES = ("sum", "mean", "max")


def embedding_bag(input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
                  norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
                  sparse: bool = False, per_sample_weights: Tensor | None = None,
                  include_last_offset: bool = False, padding_idx: int | None = None) -> Tensor:
    """The sum, mean or maximum of the rows of a table that each bag of whole numbers names.

    Parameters
    ----------
    input : Tensor of integers, (B, n) or (n,)
        Bags of n numbers each; or all bags one after the other, with `offsets`.
    weight : Tensor, (rows, D)
        The table.
    offsets : Tensor of integers, (B,), optional
        Where each bag begins in an input of one axis; the first at 0.
    mode : {"mean", "sum", "max"}
        An empty bag gives zeros.
    per_sample_weights : Tensor, of the input's shape, optional
        Factors of the rows, for sums.
    include_last_offset : bool
        Whether `offsets` ends with where the last bag does.
    padding_idx : int, optional
        A number that is as if it was not there.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As in `embedding`.

    Returns
    -------
    Tensor, (B, D)

    Raises
    ------
    ValueError
        If shapes, offsets or settings do not fit.
    NotImplementedError
        If weights are given for another mode than ``"sum"``.

    >>> import cnnkit
    >>> table = cnnkit.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]])
    >>> embedding_bag(cnnkit.tensor([0, 1, 2]), table, cnnkit.tensor([0, 2]))
    tensor([[2., 3.],
            [5., 0.]])
    """
    if mode not in MODES:
        raise ValueError(f"mode has to be one of {', '.join(MODES)}; got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is "
                                      f"only supported for mode='sum' (got mode={mode!r})")
        if per_sample_weights.shape != input.shape:
            raise ValueError("embedding_bag: per_sample_weights must have the shape of the input, "
                             f"{tuple(input.shape)}; got {tuple(per_sample_weights.shape)}")
    numbers = input.reshape(-1)
    rows = embedding(numbers, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    bags = _bags(input, offsets, include_last_offset)
    longest = max((end - start for start, end in bags), default=0)
    if not longest:
        return rows.sum(0) * 0 + weight.new_zeros((len(bags), weight.shape[1]))
    # bags of one size: what fills them up is not counted
    places = [[min(start + place, numbers.shape[0] - 1) for place in range(longest)] for start, _ in bags]
    counted = input.new_tensor([[start + place < end for place in range(longest)] for start, end in bags],
                               dtype="bool")
    flat = input.new_tensor(places, dtype="int64").reshape(-1)
    if padding_idx is not None:
        counted = counted & (numbers.index_select(0, flat) != padding_idx % weight.shape[0]).reshape(
            counted.shape)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    vectors = rows.index_select(0, flat).reshape(len(bags), longest, weight.shape[1])
    mask = counted.unsqueeze(2)
    size = counted.sum(1, keepdim=True)
    if mode == "max":
        largest = where(mask, vectors, float("-inf")).max(1).values
        return where(size > 0, largest, 0.0)
    total = where(mask, vectors, 0.0).sum(1)
    return total / size.clamp(min=1).to(dtype=total.dtype) if mode == "mean" else total


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> list[tuple[int, int]]:
    """Where each bag begins and ends in the flattened input."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated as bags of "
                             f"fixed length. However, found offsets of shape {tuple(offsets.shape)}")
        count, n = input.shape
        return [(bag * n, bag * n + n) for bag in range(count)]
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor, where the input has one axis; got "
                         f"{'None' if offsets is None else tuple(offsets.shape)}")
    starts = [int(start) for start in offsets.tolist()]
    if include_last_offset and not starts:
        raise ValueError("include_last_offset: number of offset should be at least 1")
    ends = [*starts[1:], input.shape[0]]
    if starts and starts[0] != 0:
        raise ValueError("offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
                         f"from position 0. However, got {starts[0]}")
    if any(start > end for start, end in zip(starts, ends)):
        raise ValueError(f"offsets must not fall, nor go beyond the input's length, {input.shape[0]}; "
                         f"got {starts}")
    bags = list(zip(starts, ends))
    return bags[:-1] if include_last_offset else bags
