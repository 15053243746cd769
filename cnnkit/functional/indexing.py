"""Look-ups by position, with scatter-add as their gradient."""

from __future__ import annotations

from cnnkit.autograd import Tensor

__all__ = ["gather", "index_select", "take_along_dim"]


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The element at each position along an axis: ``y[i, j] = x[i, index[i, j]]`` for `dim` 1 of 2.

    Parameters
    ----------
    input : Tensor
        The table.
    dim : int
        The axis of the positions.
    index : Tensor of int64 (or smaller signed integers), with as many axes as `input`
        Along the other axes it may be shorter than `input`. Negative positions count from the end.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If `index` is longer than `input` along another axis than `dim`.
    TypeError
        If `index` holds no signed integers.

    >>> import cnnkit
    >>> scores, labels = cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), cnnkit.tensor([[2], [0]])
    >>> gather(scores, 1, labels)
    tensor([[3.],
            [4.]])
    """
    return input.gather(dim, index)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `input` at some positions along an axis.

    Parameters
    ----------
    input : Tensor
        The table.
    dim : int
        The axis of the positions.
    index : Tensor of int64 (or smaller signed integers), (n,)
        Negative ones count from the end.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If `index` has not one axis.
    TypeError
        If `index` holds no signed integers.

    >>> import cnnkit
    >>> index_select(cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 1, cnnkit.tensor([2, 0, 2]))
    tensor([[3., 1., 3.],
            [6., 4., 6.]])
    """
    return input.index_select(dim, index)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with shapes that broadcast along the other axes.

    Parameters
    ----------
    input : Tensor
        The table.
    indices : Tensor of int64 (or smaller signed integers)
        Positions along `dim`; negative ones count from the end.
    dim : int, optional
        The axis of the positions; by default both Tensors are flattened.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If the shapes do not broadcast.
    TypeError
        If `indices` holds no signed integers.

    >>> import cnnkit
    >>> take_along_dim(cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), cnnkit.tensor([[-1]]), 1)
    tensor([[3.],
            [6.]])
    """
    return input.take_along_dim(indices, dim)
