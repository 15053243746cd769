"""Functions that make one number of many, over all axes or some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.value import Value
from cnnkit.ops import reduction

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["argmax", "max", "mean", "sum"]


def sum(input: Value, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Sum over all axes, or over `dim` (an int or a tuple).

    >>> import cnnkit
    >>> cnnkit.sum(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([3., 7.])
    """
    return apply(reduction.sum, input, axis=dim, keepdims=keepdim)


def mean(input: Value, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Mean over all axes, or over `dim` (an int or a tuple).

    >>> import cnnkit
    >>> cnnkit.mean(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5000, 3.5000])
    """
    return apply(reduction.mean, input, axis=dim, keepdims=keepdim)


def max(input: Value, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Maximum over all axes, or over `dim`; ties share the gradient equally, as in PyTorch's ``amax``.

    >>> import cnnkit
    >>> cnnkit.max(cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([2., 4.])
    """
    return apply(reduction.max, input, axis=dim, keepdims=keepdim)


def argmax(input: Value, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the (first) maximum along `dim`, or in the flattened Tensor.

    >>> import cnnkit
    >>> cnnkit.argmax(cnnkit.tensor([[1.0, 2.0], [5.0, 4.0]]), dim=1)
    tensor([1, 0])
    """
    return apply(reduction.argmax, input, axis=dim, keepdims=keepdim)


class ReductionMethods(Value):
    """The reductions, as a Tensor's methods."""

    __slots__ = ()

    sum = sum
    mean = mean
    max = max
    argmax = argmax
