"""Whole numbers near each element, and its sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.operands import copied
from cnnkit.autograd.value import Value
from cnnkit.ops import rounding as ops

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["ceil", "fix", "floor", "frac", "round", "sgn", "sign", "trunc"]


def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not above each element.

    >>> import cnnkit
    >>> cnnkit.floor(cnnkit.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return apply(ops.floor, input) if input.dtype.is_floating_point else copied(input)


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not below each element.

    >>> import cnnkit
    >>> cnnkit.ceil(cnnkit.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return apply(ops.ceil, input) if input.dtype.is_floating_point else copied(input)


def trunc(input: Tensor) -> Tensor:
    """The whole part of each element, toward 0.

    >>> import cnnkit
    >>> cnnkit.trunc(cnnkit.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return apply(ops.trunc, input) if input.dtype.is_floating_point else copied(input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number with `decimals` digits after the point, which may be below 0; of two, the even one.

    >>> import cnnkit
    >>> cnnkit.round(cnnkit.tensor([0.5, 1.5])), cnnkit.round(cnnkit.tensor([123.0]), decimals=-1)
    (tensor([0., 2.]), tensor([120.]))
    """
    if not input.dtype.is_floating_point:
        return copied(input)
    if not decimals:
        return apply(ops.round, input)
    shift, x = 10.0 ** abs(decimals), input
    if decimals > 0:
        return apply(ops.round, x * shift) / shift  # type: ignore[operator]
    return apply(ops.round, x / shift) * shift  # type: ignore[operator]


def frac(input: Tensor) -> Tensor:
    """The part of each element after the point, with its sign.

    >>> import cnnkit
    >>> cnnkit.frac(cnnkit.tensor([-1.5, 2.25]))
    tensor([-0.5 ,  0.25])
    """
    return input - trunc(input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, as each element is below, at or above 0; NaN gives 0.

    >>> import cnnkit
    >>> cnnkit.sign(cnnkit.tensor([-3.0, 0.0]))
    tensor([-1.,  0.])
    """
    return copied(input) if input.dtype == "bool" else apply(ops.sign, input)


fix = trunc
sgn = sign


class RoundingMethods(Value):
    """Rounding and signs, as a Tensor's methods."""

    __slots__ = ()

    floor = floor
    ceil = ceil
    trunc = trunc
    round = round
    frac = frac
    sign = sign
    fix = fix
    sgn = sgn
