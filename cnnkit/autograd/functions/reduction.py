"""Functions that make one number of many, over all axes or some.

``dim`` is an axis or a tuple of axes, all without it; ``keepdim`` leaves axes of size 1 in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions.conversion import to
from cnnkit.autograd.functions.operands import floating
from cnnkit.autograd.value import Value
from cnnkit.ops import cumulative, elementwise, reduction

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["all", "any", "count_nonzero", "cumprod", "cumsum", "logsumexp", "mean", "nanmean", "nansum",
           "prod", "sum"]


def axes_of(input: Value, dim: Any) -> Any:
    """The axes that an op is told: ``None`` for all; of a Tensor without axes, 0 and -1 are allowed."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return None
    if not input.ndim:
        axes = dim if isinstance(dim, tuple | list) else (dim,)
        if [axis for axis in axes if axis not in (0, -1)]:
            raise IndexError(f"axis {dim} is out of range for a Tensor without axes")
        return None
    return tuple(dim) if isinstance(dim, list) else dim


def _summable(input: Value, dtype: Any) -> Any:
    """In `dtype`; without one, integers and truth values in int64."""
    if dtype is None:
        if input.dtype.is_floating_point:
            return input
        dtype = "int64"
    return to(input, dtype=dtype)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over all axes, or over `dim`; of integers in int64.

    >>> import cnnkit
    >>> cnnkit.sum(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([3., 7.])
    """
    return apply(reduction.sum, _summable(input, dtype), axis=axes_of(input, dim), keepdims=keepdim)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`sum` of what is not NaN.

    >>> import cnnkit
    >>> cnnkit.nansum(cnnkit.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    number = input == input  # noqa: PLR0124 - NaN alone is not itself
    return sum(apply(elementwise.where, number, input, 0), dim, keepdim, dtype=dtype)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over all axes, or over `dim`.

    Raises
    ------
    TypeError
        If the elements are integers and `dtype` is not given.

    >>> import cnnkit
    >>> cnnkit.mean(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5, 3.5])
    """
    x = input if dtype is None else to(input, dtype=dtype)
    return apply(reduction.mean, x, axis=axes_of(input, dim), keepdims=keepdim)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`mean` of what is not NaN.

    >>> import cnnkit
    >>> cnnkit.nanmean(cnnkit.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5)
    """
    number = input == input  # noqa: PLR0124 - NaN alone is not itself
    return nansum(input, dim, keepdim, dtype=dtype) / sum(number, dim, keepdim)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product over all axes, or over `dim`; of integers in int64.

    >>> import cnnkit
    >>> cnnkit.prod(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([ 2., 12.])
    """
    return apply(reduction.prod, _summable(input, dtype), axis=axes_of(input, dim), keepdims=keepdim)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sum of each element and all before it along `dim`; of integers in int64.

    >>> import cnnkit
    >>> cnnkit.cumsum(cnnkit.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    return _along(cumulative.cumsum, _summable(input, dtype), dim)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The product of each element and all before it along `dim`; of integers in int64.

    >>> import cnnkit
    >>> cnnkit.cumprod(cnnkit.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    return _along(cumulative.cumprod, _summable(input, dtype), dim)


def _along(op: Any, input: Any, dim: int) -> Tensor:
    if not input.ndim and axes_of(input, dim) is None:
        return apply(op, input.reshape(1), axis=0).reshape(())
    return apply(op, input, axis=dim)


@runs_in(FLOAT32)
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, without overflow.

    >>> import cnnkit
    >>> round(cnnkit.logsumexp(cnnkit.tensor([1000.0, 1000.0]), dim=0).item(), 3)
    1000.693
    """
    x = floating(input)
    axes = axes_of(x, dim)
    if 0 in x.shape:
        return apply(elementwise.log, sum(apply(elementwise.exp, x), dim, keepdim))
    top = apply(reduction.max, x.detach(), axis=axes, keepdims=True)
    top = apply(elementwise.where, apply(elementwise.abs, top) < float("inf"), top, 0.0)
    total = apply(elementwise.log, sum(apply(elementwise.exp, x - top), dim, keepdim))
    return total + top.reshape(total.shape)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true, that is, not 0; of uint8 in uint8.

    >>> import cnnkit
    >>> cnnkit.all(cnnkit.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return _truth(reduction.all, input, dim, keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true, that is, not 0; of uint8 in uint8.

    >>> import cnnkit
    >>> cnnkit.any(cnnkit.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return _truth(reduction.any, input, dim, keepdim)


def _truth(op: Any, input: Value, dim: Any, keepdim: bool) -> Tensor:
    result = apply(op, input, axis=axes_of(input, dim), keepdims=keepdim)
    return to(result, dtype="uint8") if input.dtype == "uint8" else result


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0.

    >>> import cnnkit
    >>> cnnkit.count_nonzero(cnnkit.tensor([0.0, 1.0, 2.0]))
    tensor(2)
    """
    return sum(input != 0, dim)


class ReductionMethods(Value):
    """The reductions, as a Tensor's methods."""

    __slots__ = ()

    all = all
    any = any
    count_nonzero = count_nonzero
    cumprod = cumprod
    cumsum = cumsum
    logsumexp = logsumexp
    mean = mean
    nanmean = nanmean
    nansum = nansum
    prod = prod
    sum = sum
