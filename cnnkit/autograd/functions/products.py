"""Products of matrices and vectors: matmul under each of its names, and what is made of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import LOWER, WIDEST, runs_in
from cnnkit.autograd.functions.axes import axes_of, axis_of
from cnnkit.autograd.functions.diagonals import diag_embed, diagonal
from cnnkit.autograd.functions.moving import broadcast_tensors
from cnnkit.autograd.functions.rearranging import roll
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.ops import matmul as products
from cnnkit.ops import reduction, shaping
from cnnkit.ops.dtypes import is_integer

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "chain_matmul", "cross", "dot", "ger",
           "inner", "kron", "matmul", "matrix_power", "mm", "mv", "outer", "tensordot", "vdot"]


def matmul(input: Tensor, other: Any) -> Tensor:
    """Matrix product over the last two axes; the others broadcast.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    >>> import cnnkit
    >>> cnnkit.matmul(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([3.0, 4.0]))
    tensor([11.])
    """
    return apply(products.matmul, input, other)


@runs_in(LOWER)
def _product(name: str, ndims: tuple[int, int], a: Value, b: Value) -> Tensor:
    """matmul of two Tensors that must have so many axes, one dtype, and no broadcasting."""
    if (a.ndim, b.ndim) != ndims:
        raise RuntimeError(f"{name} needs Tensors with {ndims[0]} and {ndims[1]} axes; got shapes {a.shape} "
                           f"and {b.shape}")
    if dtype_name(a.dtype) != dtype_name(b.dtype):
        raise RuntimeError(f"{name} needs Tensors of one dtype; got {dtype_name(a.dtype)} and "
                           f"{dtype_name(b.dtype)}")
    if a.shape[:-2] != b.shape[:-2] and ndims[0] == 3:
        raise ValueError(f"{name} needs as many matrices of each; got shapes {a.shape} and {b.shape}")
    return apply(products.matmul, a, b)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices.

    >>> import cnnkit
    >>> cnnkit.mm(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    return _product("mm", (2, 2), input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of as many pairs of matrices.

    >>> import cnnkit
    >>> cnnkit.bmm(cnnkit.tensor([[[1.0, 2.0]]]), cnnkit.tensor([[[3.0], [4.0]]]))
    tensor([[[11.]]])
    """
    return _product("bmm", (3, 3), input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector.

    >>> import cnnkit
    >>> cnnkit.mv(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([3.0, 4.0]))
    tensor([11.])
    """
    return _product("mv", (2, 1), input, vec)


@runs_in(WIDEST)
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Product of two vectors, a number.

    >>> import cnnkit
    >>> cnnkit.dot(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return _product("dot", (1, 1), input, tensor)


@runs_in(WIDEST)
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot` of real numbers.

    >>> import cnnkit
    >>> cnnkit.vdot(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return _product("vdot", (1, 1), input, other)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products over the last axes of both; of a number with all elements.

    >>> import cnnkit
    >>> cnnkit.inner(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[11.,  2.]])
    """
    if not input.shape or not other.shape:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ValueError(f"inner needs last axes of one size; got shapes {input.shape} and {other.shape}")
    return tensordot(input, other, ([-1], [-1]))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The product of each element of one vector with each of another.

    >>> import cnnkit
    >>> cnnkit.outer(cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer takes two vectors; got shapes {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2


ger = outer


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, from the left to the right.

    >>> import cnnkit
    >>> cnnkit.chain_matmul(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    result = matrices[0]
    for matrix in matrices[1:]:
        result = _product("chain_matmul", (2, 2), result, matrix)
    return result


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Each matrix multiplied by itself, `n` in all; the identity for 0.

    >>> import cnnkit
    >>> cnnkit.matrix_power(cnnkit.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError(f"matrix_power takes square matrices; got shape {input.shape}")
    if n < 0:
        raise RuntimeError(f"matrix_power takes powers of 0 or more; got {n}: inverses are not computed here")
    if n == 0:
        return diag_embed(diagonal(input, 0, -2, -1) * 0 + 1)
    result, factor = None, input
    while n:  # by squaring
        if n % 2:
            result = factor if result is None else apply(products.matmul, result, factor)
        n //= 2
        factor = apply(products.matmul, factor, factor) if n else factor
    return input.clone() if result is input else result  # type: ignore[return-value]


# -- with something added ------------------------------------------------------------------------------------

def _added(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * input + alpha * product; with a beta of 0 not even NaN in `input` counts."""
    input = apply(shaping.expand, input, shape=product.shape)  # it must fit the product
    if is_integer(input.dtype):
        beta, alpha = int(beta), int(alpha)
    scaled = product * alpha if alpha != 1 else product
    return scaled if beta == 0 else (input if beta == 1 else input * beta) + scaled


@runs_in(LOWER)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``.

    >>> import cnnkit
    >>> x, y = cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0], [4.0]])
    >>> cnnkit.addmm(cnnkit.tensor(1.0), x, y, alpha=2)
    tensor([[23.]])
    """
    return _added(input, mm(mat1, mat2), beta, alpha)


@runs_in(LOWER)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``.

    >>> import cnnkit
    >>> cnnkit.addmv(cnnkit.tensor([1.0]), cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([3.0, 4.0]))
    tensor([12.])
    """
    return _added(input, mv(mat, vec), beta, alpha)


@runs_in(LOWER)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``.

    >>> import cnnkit
    >>> cnnkit.addr(cnnkit.tensor(1), cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4]))
    tensor([[4, 5],
            [7, 9]])
    """
    return _added(input, outer(vec1, vec2), beta, alpha)


@runs_in(LOWER)
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    >>> import cnnkit
    >>> x, y = cnnkit.tensor([[[1.0, 2.0]]]), cnnkit.tensor([[[3.0], [4.0]]])
    >>> cnnkit.baddbmm(cnnkit.tensor(1.0), x, y)
    tensor([[[12.]]])
    """
    return _added(input, bmm(batch1, batch2), beta, alpha)


@runs_in(LOWER)
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``.

    >>> import cnnkit
    >>> x, y = cnnkit.tensor([[[1.0, 2.0]]]), cnnkit.tensor([[[3.0], [4.0]]])
    >>> cnnkit.addbmm(cnnkit.tensor(1.0), x, y)
    tensor([[12.]])
    """
    total = apply(reduction.sum, bmm(batch1, batch2), axis=0, keepdims=False)
    return _added(input, total, beta, alpha)


# -- over chosen axes ----------------------------------------------------------------------------------------

@runs_in(WIDEST)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products over some axes of both Tensors.

    Parameters
    ----------
    a, b : Tensor
    dims : int or pair of lists of int
        How many of the last axes of `a` and the first of `b`, or the axes of each.

    >>> import cnnkit
    >>> cnnkit.tensordot(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0, 4.0]]), ([1], [1]))
    tensor([[11.]])
    """
    if isinstance(dims, Value):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot over {dims} axes got shapes {a.shape} and {b.shape}")
        dims = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    first, second = axes_of("tensordot", dims[0], a.ndim), axes_of("tensordot", dims[1], b.ndim)
    if (first and not a.shape) or (second and not b.shape):
        raise IndexError(f"tensordot got axes {dims} for shapes {a.shape} and {b.shape}")
    sizes = [a.shape[i] for i in first], [b.shape[i] for i in second]
    # an axis of size 1 stretches, as in PyTorch
    for (i, n), (j, m) in zip(zip(first, sizes[0]), zip(second, sizes[1])):
        if n == 1 != m:
            b = apply(reduction.sum, b, axis=j, keepdims=True)
        elif m == 1 != n:
            a = apply(reduction.sum, a, axis=i, keepdims=True)
        elif n != m:
            raise RuntimeError(f"tensordot needs axes of equal sizes; got sizes {sizes[0]} and {sizes[1]}")
    if len(first) != len(second):
        raise RuntimeError(f"tensordot needs as many axes of each; got {dims}")
    left = [i for i in range(a.ndim) if i not in first]
    right = [i for i in range(b.ndim) if i not in second]
    rows, columns = [a.shape[i] for i in left], [b.shape[i] for i in right]
    shared = math.prod(a.shape[i] for i in first)
    x = a.permute(*left, *first).reshape(math.prod(rows), shared) if a.shape else a.reshape(1, 1)
    y = b.permute(*second, *right).reshape(shared, math.prod(columns)) if b.shape else b.reshape(1, 1)
    return apply(shaping.reshape, apply(products.matmul, x, y), shape=(*rows, *columns))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Each element of `input` times the whole of `other`, as blocks.

    >>> import cnnkit
    >>> cnnkit.kron(cnnkit.tensor([1, 10]), cnnkit.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    ndim = max(input.ndim, other.ndim)
    sizes = [(*(1,) * (ndim - x.ndim), *x.shape) for x in (input, other)]
    x = input.reshape([n for size in sizes[0] for n in (size, 1)])
    y = other.reshape([n for size in sizes[1] for n in (1, size)])
    return (x * y).reshape([n * m for n, m in zip(*sizes)])


@runs_in(WIDEST)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three elements along an axis; by default the first one of that size.

    >>> import cnnkit
    >>> cnnkit.cross(cnnkit.tensor([1, 0, 0]), cnnkit.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    if input.ndim != other.ndim:
        raise RuntimeError("cross needs Tensors with as many axes; "
                           f"got shapes {input.shape} and {other.shape}")
    x, y = broadcast_tensors(input, other)
    if dim is None:
        if 3 not in x.shape:
            raise RuntimeError(f"cross needs an axis of size 3; got shape {x.shape}")
        dim = x.shape.index(3)
    axis = axis_of("cross", dim, x.ndim)
    if x.shape[axis] != 3:
        raise RuntimeError(f"cross needs 3 elements along axis {axis}; got shape {x.shape}")
    return roll(x, -1, axis) * roll(y, -2, axis) - roll(x, -2, axis) * roll(y, -1, axis)


class ProductMethods(Value):
    """Products, as a Tensor's methods."""

    __slots__ = ()

    matmul = matmul
    mm = mm
    bmm = bmm
    mv = mv
    dot = dot
    vdot = vdot
    inner = inner
    outer = outer
    ger = ger
    addmm = addmm
    addmv = addmv
    addr = addr
    baddbmm = baddbmm
    addbmm = addbmm
    kron = kron
    matrix_power = matrix_power
    cross = cross
