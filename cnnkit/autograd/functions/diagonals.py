"""Functions of diagonals: triangles, diagonals taken out, diagonals put into zeros."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axes_of
from cnnkit.autograd.functions.raw import positions_like
from cnnkit.autograd.functions.scattering import index_fill
from cnnkit.autograd.sharing import share_chosen
from cnnkit.autograd.value import Value
from cnnkit.foreign import strides_of
from cnnkit.ops import elementwise, indexing, shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "fill_diagonal", "trace", "tril", "triu"]


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of each matrix, up to a diagonal; 0 above.

    >>> import cnnkit
    >>> cnnkit.tril(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]])
    """
    return apply(elementwise.where, _distances("tril", input) <= diagonal, input, 0)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of each matrix, from a diagonal on; 0 below.

    >>> import cnnkit
    >>> cnnkit.triu(cnnkit.tensor([[1, 2], [3, 4]]), 1)
    tensor([[0, 2],
            [0, 0]])
    """
    return apply(elementwise.where, _distances("triu", input) >= diagonal, input, 0)


def _distances(name: str, input: Value) -> Tensor:
    """How far each element of the last two axes lies to the right of the diagonal."""
    if input.ndim < 2:
        raise RuntimeError(f"{name} needs at least two axes; this Tensor has shape {input.shape}")
    rows, columns = input.shape[-2:]
    return positions_like(input, columns) - positions_like(input, rows).reshape(rows, 1)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A diagonal of each matrix that lies in two axes, as a last axis; `offset` counts to the right.

    >>> import cnnkit
    >>> cnnkit.diagonal(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    ndim = input.ndim
    if ndim < 2:
        raise IndexError(f"diagonal needs two axes; this Tensor has shape {input.shape}")
    row, column = axes_of("diagonal", (dim1, dim2), ndim)
    strides = strides_of(input.array)
    if strides[row] < strides[column]:  # of a transposed matrix: so that the result shares its memory
        row, column, offset = column, row, -offset
    others = [axis for axis in range(ndim) if axis not in (row, column)]
    x = apply(shaping.permute, input, axes=(*others, row, column))
    rows, columns = x.shape[-2:]
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    # in one row, neighbours on a diagonal lie one row and one column apart
    flat = apply(shaping.reshape, x, shape=(*x.shape[:-2], rows * columns))
    first = offset if offset >= 0 else -offset * columns
    part = slice(first, first + (length - 1) * (columns + 1) + 1, columns + 1) if length else slice(0)
    y = apply(indexing.getitem, flat, index=(..., part))
    if flat._alias is None or flat._alias.family is not x._alias.family:  # the reshape had to copy
        rows_of, columns_of = (range(max(n, 0), max(n, 0) + length) for n in (-offset, offset))
        share_chosen(x, y, (..., [*rows_of], [*columns_of]), lambda s: (*s[:-2], s[-2] + s[-1]))
    return y


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices of zeros, in two new axes, whose diagonals are the input's last axis.

    >>> import cnnkit
    >>> cnnkit.diag_embed(cnnkit.tensor([1, 2]), 1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    if not input.shape:
        input = apply(shaping.reshape, input, shape=(1,))
    row, column = axes_of("diag_embed", (dim1, dim2), input.ndim + 1)
    before, length = input.shape[:-1], input.shape[-1]
    n = length + abs(offset)
    # in one row of zeros, neighbours on a diagonal lie n + 1 apart
    spread = _padded(apply(shaping.reshape, input, shape=(*before, length, 1)), 0, n)
    flat = apply(shaping.reshape, spread, shape=(*before, length * (n + 1)))
    first = offset if offset >= 0 else -offset * n
    square = apply(shaping.reshape, _padded(flat, first, n * n - length * (n + 1) - first),
                   shape=(*before, n, n))
    return square.movedim((-2, -1), (row, column))


def _padded(x: Tensor, before: int, after: int) -> Tensor:
    return apply(shaping.pad, x, pads=(*((0, 0),) * (x.ndim - 1), (before, after)), value=0)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix of zeros with this diagonal.

    >>> import cnnkit
    >>> cnnkit.diag(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    >>> cnnkit.diag(cnnkit.tensor([1, 4]))
    tensor([[1, 0],
            [0, 4]])
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag takes a vector or a matrix; this Tensor has shape {input.shape}")
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal_of(input, diagonal)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix of zeros whose diagonal are all elements.

    >>> import cnnkit
    >>> cnnkit.diagflat(cnnkit.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(input.ravel(), offset)


def fill_diagonal(input: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """The Tensor with one number along the diagonal; PyTorch has ``fill_diagonal_`` alone.

    Parameters
    ----------
    input : Tensor
        A matrix, or a Tensor whose axes are all of one size.
    fill_value : number
        The number.
    wrap : bool
        Begin again below the square at the top of a matrix that is higher than wide, after one row.

    >>> import cnnkit
    >>> cnnkit.fill_diagonal(cnnkit.tensor([[1, 2], [3, 4]]), 0)
    tensor([[0, 2],
            [3, 0]])
    """
    shape = input.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise RuntimeError(f"fill_diagonal takes a matrix, or axes of one size; got shape {shape}")
    # in one row, neighbours on a diagonal lie one place further along every axis
    step = sum(math.prod(shape[i + 1:]) for i in range(len(shape)))
    count = math.prod(shape)
    places = positions_like(input, 0, count if wrap else min(count, min(shape) * step), step)
    return index_fill(input.ravel(), 0, places, fill_value).reshape(shape)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    >>> import cnnkit
    >>> cnnkit.trace(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace takes a matrix; this Tensor has shape {input.shape}")
    return _diagonal_of(input, 0).sum()


def _diagonal_of(matrix: Tensor, offset: int) -> Tensor:  # where an argument is called `diagonal` too
    return diagonal(matrix, offset)


class DiagonalMethods(Value):
    """What concerns diagonals, as a Tensor's methods."""

    __slots__ = ()

    tril = tril
    triu = triu
    diagonal = diagonal
    diag_embed = diag_embed
    diag = diag
    diagflat = diagflat
    trace = trace
