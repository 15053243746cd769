"""Rows of a table by number."""

from __future__ import annotations

from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.functions import where

__all__ = ["embedding"]


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of a table that whole numbers name.

    Parameters
    ----------
    input : Tensor of integers
        Numbers of rows, of any shape.
    weight : Tensor, (rows, D)
        The table.
    padding_idx : int, optional
        A row that gets no gradient.
    max_norm : float, optional
        Rows that are asked for and longer than this are made so long, in the table itself.
    norm_type : float
        The norm for it.
    scale_grad_by_freq : bool
        Divide each row's gradient by how often the row was asked for.
    sparse : bool
        Accepted as PyTorch's: gradients are whole arrays.

    Returns
    -------
    Tensor, (..., D)

    Raises
    ------
    ValueError, TypeError
        If `padding_idx` is no row, the table has not two axes, or `input` holds no integers.
    IndexError
        If a number is beyond the table's rows.

    >>> import cnnkit
    >>> embedding(cnnkit.tensor([1, 0]), cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if len(weight.shape) != 2:
        raise ValueError(f"embedding needs a table of two axes; got shape {tuple(weight.shape)}")
    if input.dtype.is_floating_point or "int" not in str(input.dtype):
        raise TypeError(f"embedding needs integers; got {input.dtype}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError(f"Padding_idx must be within num_embeddings; got {padding_idx} for {rows} rows")
        padding_idx %= rows
    flat = input.reshape(-1).to(dtype="int64")
    if max_norm is not None:
        with no_grad():
            table = weight.detach()
            size = (table.abs() ** norm_type).sum(1, keepdim=True) ** (1 / norm_type)
            factor = where(size > max_norm, max_norm / (size + 1e-7), 1.0)
            looked_up = table.new_zeros((rows, 1)).index_fill(0, flat, 1.0)
            weight.copy_(where(looked_up > 0, table * factor, table))
    result = weight.index_select(0, flat)
    if scale_grad_by_freq:
        ones = weight.new_ones(flat.shape)
        counts = weight.new_zeros((rows,)).index_add(0, flat, ones).index_select(0, flat)
        fixed = result.detach()
        result = fixed + (result - fixed) / counts.unsqueeze(1)
    if padding_idx is not None:
        result = where((flat == padding_idx).unsqueeze(1), result.detach(), result)
    return result.reshape(*input.shape, weight.shape[1])
