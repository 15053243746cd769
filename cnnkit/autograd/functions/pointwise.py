"""Functions of each element by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.autograd.calling import apply
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["abs", "clamp", "exp", "log", "sqrt"]


def exp(input: Value) -> Tensor:
    """Exponential of each element.

    >>> import cnnkit
    >>> cnnkit.exp(cnnkit.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return apply(elementwise.exp, input)


def log(input: Value) -> Tensor:
    """Natural logarithm of each element.

    >>> import cnnkit
    >>> cnnkit.log(cnnkit.tensor([1.0, 2.0]))
    tensor([0.0000, 0.6931])
    """
    return apply(elementwise.log, input)


def sqrt(input: Value) -> Tensor:
    """Square root of each element.

    >>> import cnnkit
    >>> cnnkit.sqrt(cnnkit.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return apply(elementwise.sqrt, input)


def abs(input: Value) -> Tensor:
    """Absolute value of each element; the gradient at 0 is 0.

    >>> import cnnkit
    >>> cnnkit.abs(cnnkit.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """
    return apply(elementwise.abs, input)


def clamp(input: Value, min: float | None = None, max: float | None = None) -> Tensor:
    """Elements limited to [`min`, `max`].

    >>> import cnnkit
    >>> cnnkit.clamp(cnnkit.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    return apply(elementwise.clip, input, min=min, max=max)


class PointwiseMethods(Value):
    """The functions of each element, as a Tensor's methods."""

    __slots__ = ()

    exp = exp
    log = log
    sqrt = sqrt
    abs = abs
    clamp = clamp
