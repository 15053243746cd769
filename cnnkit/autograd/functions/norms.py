"""Norms and distances."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions.axes import axes_of
from cnnkit.autograd.functions.raw import as_dtype
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.ops import elementwise, reduction
from cnnkit.ops.dtypes import is_narrow, need_floating

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["cdist", "dist", "norm", "pdist", "renorm"]


def p_norm(name: str, x: Any, p: float, axes: tuple[int, ...], keepdim: bool) -> Any:
    """(sum |x|^p)^(1/p) over some axes; for p of 0 how many elements are not 0, for inf the largest size.

    Where the norm is 0 its gradient is 0.

    >>> import cnnkit
    >>> p_norm("norm", cnnkit.tensor([3.0, -4.0]), 2, (0,), False)
    tensor(5.)
    """
    need_floating(name, x.dtype)
    if is_narrow(x.dtype):
        return as_dtype(p_norm(name, as_dtype(x, "float32"), p, axes, keepdim), x.dtype)
    reduced = {"axis": axes, "keepdims": keepdim}
    if abs(p) == math.inf:
        if any(x.shape[axis] == 0 for axis in axes):
            if p < 0:
                raise RuntimeError(f"{name} of no elements has no smallest one; got shape {x.shape}")
            return apply(reduction.sum, x, **reduced)
        size = apply(elementwise.abs, x)
        return apply(reduction.max, size, **reduced) if p > 0 else -apply(reduction.max, -size, **reduced)
    if p == 0:
        return apply(reduction.sum, as_dtype(x != 0, x.dtype), **reduced)
    if p == 1:
        return apply(reduction.sum, apply(elementwise.abs, x), **reduced)
    of_zero = 0.0 if p > 0 else math.inf
    if p == 2:
        total = apply(reduction.sum, x * x, **reduced)
    else:
        zero, size = x == 0, apply(elementwise.abs, x)
        powers = apply(elementwise.where, zero, 1.0, size) ** p  # the slope of a power may be infinite at 0
        total = apply(reduction.sum, apply(elementwise.where, zero, of_zero, powers), **reduced)
    nothing = total == of_zero
    total = apply(elementwise.where, nothing, 1.0, total)
    root = apply(elementwise.sqrt, total) if p == 2 else total ** (1 / p)
    return apply(elementwise.where, nothing, 0.0, root)


@runs_in(FLOAT32)
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, *,
         dtype: Any = None) -> Tensor:
    """The norm of all elements, or of those along some axes.

    Parameters
    ----------
    p : float or "fro"
        The power; "fro" is 2.
    dim : int or tuple of int, optional
        The axes; by default all.
    keepdim : bool
        Keep them, with size 1.
    dtype : dtype, optional
        What to convert to before.

    >>> import cnnkit
    >>> cnnkit.norm(cnnkit.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm has p='fro' and numbers; got {p!r}. Singular values are not computed here")
    x = input if dtype is None else input.to(dtype=dtype)
    axes = tuple(range(x.ndim)) if dim is None or dim == () else axes_of("norm", dim, x.ndim)
    power = 2.0 if p is None or p == "fro" else float(p)
    if not x.shape:
        return p_norm("norm", x.reshape(1), power, (0,), False)
    return p_norm("norm", x, power, axes, keepdim)


@runs_in(FLOAT32)
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference of two Tensors, which broadcast.

    >>> import cnnkit
    >>> cnnkit.dist(cnnkit.tensor([3.0, 4.0]), cnnkit.tensor(0.0))
    tensor(5.)
    """
    return norm(input - other, p)


@runs_in(FLOAT32)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """The slices along an axis, those with a larger norm than `maxnorm` scaled down to it.

    >>> import cnnkit
    >>> cnnkit.renorm(cnnkit.tensor([[3.0, 4.0], [0.0, 5.0]]), 1, 0, 6)
    tensor([[2.5714285, 3.4285715],
            [0.       , 5.       ]])
    """
    if p <= 0 or maxnorm < 0 or input.ndim < 2:
        raise RuntimeError("renorm needs two axes or more, a p above 0 and a maxnorm of 0 or more; got shape "
                           f"{input.shape}, {p} and {maxnorm}")
    (axis,) = axes_of("renorm", dim, input.ndim)
    others = tuple([i for i in range(input.ndim) if i != axis])
    size = p_norm("renorm", input, float(p), others, True)
    return input * apply(elementwise.where, size > maxnorm, maxnorm / (size + 1e-7), 1.0)


@runs_in(FLOAT32)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The distance of each row of `x1` to each row of `x2`.

    Parameters
    ----------
    x1 : Tensor, (..., n, features)
    x2 : Tensor, (..., m, features)
        The axes before broadcast.
    p : float
        The norm of a difference: 2, 1, 0, inf or any positive number.
    compute_mode : str, optional
        PyTorch's; here differences are always taken, in n * m * features numbers, which rounds least.

    Returns
    -------
    Tensor, (..., n, m)

    >>> import cnnkit
    >>> cnnkit.cdist(cnnkit.tensor([[0.0, 0.0], [3.0, 0.0]]), cnnkit.tensor([[3.0, 4.0]]))
    tensor([[5.],
            [4.]])
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"cdist needs rows of one length; got shapes {x1.shape} and {x2.shape}")
    if p < 0:
        raise RuntimeError(f"cdist needs a p of 0 or more; got {p}")
    if dtype_name(x1.dtype) != dtype_name(x2.dtype):
        raise RuntimeError(f"cdist needs one dtype; got {dtype_name(x1.dtype)} and {dtype_name(x2.dtype)}")
    differences = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return p_norm("cdist", differences, float(p), (differences.ndim - 1,), False)


@runs_in(FLOAT32)
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distance of each row to each later one, in a row.

    >>> import cnnkit
    >>> cnnkit.pdist(cnnkit.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist needs a matrix; got shape {input.shape}")
    n = input.shape[0]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    first, second = ([pair[k] for pair in pairs] for k in (0, 1))
    return p_norm("pdist", input[first] - input[second], float(p), (1,), False)


class NormMethods(Value):
    """Norms and distances, as a Tensor's methods."""

    __slots__ = ()

    norm = norm
    dist = dist
    renorm = renorm
