"""Norms and products of matrices, by the names of ``torch.linalg``; decompositions are not here."""

from __future__ import annotations

from typing import Any

from cnnkit import suggestions
from cnnkit.autograd import Tensor
from cnnkit.autograd import functions as f
from cnnkit.autograd.functions.axes import axes_of
from cnnkit.autograd.functions.norms import p_norm

__all__ = ["cross", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot", "norm", "vecdot",
           "vector_norm"]

INFINITY = float("inf")


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of a vector or of matrices.

    Parameters
    ----------
    A : Tensor
    ord : float or "fro", optional
        By default the square root of the sum of squares. Otherwise `vector_norm` for one axis, and
        `matrix_norm` for two.
    dim : int or tuple of int, optional
        The axis or the axes; by default all.

    >>> import cnnkit
    >>> cnnkit.linalg.norm(cnnkit.tensor([[3.0], [4.0]]))
    tensor(5.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError("linalg.norm with ord takes a vector or a matrix, or dim; "
                               f"got shape {A.shape}")
        dim = tuple(range(A.ndim))
    axes = axes_of("linalg.norm", dim, A.ndim)
    if len(axes) == 1:
        return vector_norm(A, ord, axes, keepdim, dtype=dtype)
    return matrix_norm(A, ord, axes, keepdim, dtype=dtype)


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *,
                dtype: Any = None) -> Tensor:
    """``(sum |x|^ord)^(1/ord)`` over some axes, or all.

    >>> import cnnkit
    >>> cnnkit.linalg.vector_norm(cnnkit.tensor([[3.0, -4.0]]), 1)
    tensor(7.)
    """
    if isinstance(ord, str):
        raise TypeError(f"vector_norm needs a number as ord; got {ord!r}")
    x = x if dtype is None else x.to(dtype=dtype)
    axes = tuple(range(x.ndim)) if dim is None or dim in ((), []) else axes_of("vector_norm", dim, x.ndim)
    if not x.shape:
        return p_norm("vector_norm", x.reshape(1), float(ord), (0,), False)
    return p_norm("vector_norm", x, float(ord), axes, keepdim)


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
                dtype: Any = None) -> Tensor:
    """The norm of each matrix: "fro", or the largest (smallest, for a negative ord) sum of a row or column.

    Parameters
    ----------
    ord : "fro", 1, -1, inf or -inf
        1 is for columns, inf for rows.

    >>> import cnnkit
    >>> cnnkit.linalg.matrix_norm(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if A.ndim < 2:
        raise RuntimeError(f"matrix_norm takes matrices; got shape {A.shape}")
    axes = axes_of("matrix_norm", dim, A.ndim)
    if len(axes) != 2:
        raise RuntimeError(f"matrix_norm needs the two axes of the matrices; got dim {dim}")
    A = A if dtype is None else A.to(dtype=dtype)
    if ord == "fro":
        return p_norm("matrix_norm", A, 2, axes, keepdim)
    if ord not in (1, -1, INFINITY, -INFINITY):
        raise RuntimeError(f"matrix_norm has ord 'fro', 1, -1, inf and -inf; got {ord!r}. "
                           "Singular values are not computed here")
    summed, compared = axes if abs(ord) == 1 else axes[::-1]
    sums = p_norm("matrix_norm", A, 1, (summed,), True)
    result = p_norm("matrix_norm", sums, INFINITY if ord > 0 else -INFINITY, (compared,), True)
    return result if keepdim else result.squeeze(axes)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three elements along an axis.

    >>> import cnnkit
    >>> cnnkit.linalg.cross(cnnkit.tensor([1, 0, 0]), cnnkit.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    return f.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A diagonal of each matrix; see `cnnkit.diagonal`.

    >>> import cnnkit
    >>> cnnkit.linalg.diagonal(cnnkit.tensor([[[1, 2], [3, 4]]]))
    tensor([[1, 4]])
    """
    return f.diagonal(A, offset, dim1, dim2)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two axes; see `cnnkit.matmul`.

    >>> import cnnkit
    >>> cnnkit.linalg.matmul(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([3.0, 4.0]))
    tensor([11.])
    """
    return f.matmul(input, other)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Products of the vectors along an axis; the shapes broadcast.

    >>> import cnnkit
    >>> cnnkit.linalg.vecdot(cnnkit.tensor([[1.0, 2.0], [0.0, 1.0]]), cnnkit.tensor([3.0, 4.0]))
    tensor([11.,  4.])
    """
    return (x * y).sum(dim)


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, from the left to the right; the first and the last may be vectors.

    >>> import cnnkit
    >>> cnnkit.linalg.multi_dot([cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([[3.0], [4.0]])])
    tensor([11.])
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot needs two matrices or more; got {len(tensors)}")
    result = tensors[0]
    for matrix in tensors[1:]:
        result = f.matmul(result, matrix)
    return result


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Each matrix multiplied by itself, `n` in all; the identity for 0.

    >>> import cnnkit
    >>> cnnkit.linalg.matrix_power(cnnkit.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    return f.matrix_power(A, n)


def __getattr__(name: str) -> Any:
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__, suggestions.LINALG)
