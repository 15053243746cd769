"""Powers, roots, exponential functions and logarithms of each element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import FLOAT32, runs_in
from cnnkit.autograd.functions.operands import floating, pair
from cnnkit.autograd.value import Value
from cnnkit.ops import activation, elementwise, exponential, pairs

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = [
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "reciprocal",
    "rsqrt",
    "sigmoid",
    "sqrt",
    "square",
    "xlogy",
]


def exp(input: Tensor) -> Tensor:
    """e to the power of each element.

    >>> import cnnkit
    >>> round(cnnkit.exp(cnnkit.tensor(0.5)).item(), 4)
    1.6487
    """
    return apply(elementwise.exp, floating(input))


def exp2(input: Tensor) -> Tensor:
    """2 to the power of each element.

    >>> import cnnkit
    >>> cnnkit.exp2(cnnkit.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    return 2.0 ** floating(input)


def expm1(input: Tensor) -> Tensor:
    """exp(x) - 1 of each element, exact near 0.

    >>> import cnnkit
    >>> round(cnnkit.expm1(cnnkit.tensor(0.5)).item(), 4)
    0.6487
    """
    return apply(exponential.expm1, floating(input))


def log(input: Tensor) -> Tensor:
    """Natural logarithm of each element.

    >>> import cnnkit
    >>> round(cnnkit.log(cnnkit.tensor(0.5)).item(), 4)
    -0.6931
    """
    return apply(elementwise.log, floating(input))


def log2(input: Tensor) -> Tensor:
    """Logarithm of each element to base 2.

    >>> import cnnkit
    >>> cnnkit.log2(cnnkit.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return apply(exponential.log2, floating(input))


def log10(input: Tensor) -> Tensor:
    """Logarithm of each element to base 10.

    >>> import cnnkit
    >>> round(cnnkit.log10(cnnkit.tensor(100.0)).item(), 4)
    2.0
    """
    return apply(exponential.log10, floating(input))


def log1p(input: Tensor) -> Tensor:
    """log(1 + x) of each element, exact near 0.

    >>> import cnnkit
    >>> round(cnnkit.log1p(cnnkit.tensor(0.5)).item(), 4)
    0.4055
    """
    return apply(exponential.log1p, floating(input))


def sqrt(input: Tensor) -> Tensor:
    """Square root of each element.

    >>> import cnnkit
    >>> cnnkit.sqrt(cnnkit.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return apply(elementwise.sqrt, floating(input))


@runs_in(FLOAT32)
def rsqrt(input: Tensor) -> Tensor:
    """1 divided by the square root of each element.

    >>> import cnnkit
    >>> cnnkit.rsqrt(cnnkit.tensor([4.0, 16.0]))
    tensor([0.5 , 0.25])
    """
    return 1 / sqrt(input)


def square(input: Tensor) -> Tensor:
    """Each element times itself.

    >>> import cnnkit
    >>> cnnkit.square(cnnkit.tensor([-3.0, 2.0]))
    tensor([9., 4.])
    """
    return input * input


@runs_in(FLOAT32)
def reciprocal(input: Tensor) -> Tensor:
    """1 divided by each element.

    >>> import cnnkit
    >>> cnnkit.reciprocal(cnnkit.tensor([4.0, 0.5]))
    tensor([0.25, 2.  ])
    """
    return 1 / floating(input)


def erf(input: Tensor) -> Tensor:
    """The error function of each element.

    >>> import cnnkit
    >>> round(cnnkit.erf(cnnkit.tensor(0.5)).item(), 4)
    0.5205
    """
    return apply(exponential.erf, floating(input))


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x) of each element, exact where that is nearly 0.

    >>> import cnnkit
    >>> round(cnnkit.erfc(cnnkit.tensor(0.5)).item(), 4)
    0.4795
    """
    return apply(exponential.erfc, floating(input))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) of each element, without overflow for any x.

    >>> import cnnkit
    >>> cnnkit.sigmoid(cnnkit.tensor([-1000.0, 0.0]))
    tensor([0. , 0.5])
    """
    return apply(activation.sigmoid, floating(input))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)) of each element, the inverse of `sigmoid`; first limited to [eps, 1 - eps], if given.

    >>> import cnnkit
    >>> cnnkit.logit(cnnkit.tensor([0.5]))
    tensor([0.])
    """
    x = floating(input)
    if eps is not None:
        x = apply(elementwise.clip, x, min=eps, max=1 - eps)
    return log(x / (1 - x))


def logaddexp(input: Tensor, other: Value) -> Tensor:
    """log(exp(x) + exp(y)), without overflow.

    >>> import cnnkit
    >>> cnnkit.logaddexp(cnnkit.tensor([1000.0]), cnnkit.tensor([0.0]))
    tensor([1000.])
    """
    x, y = pair(input, other, numbers=False)
    top, distance = apply(pairs.maximum, x, y), apply(elementwise.abs, x - y)
    same = x == y  # infinities have no distance
    return top + log1p(exp(-apply(elementwise.where, same, 0.0, distance)))


def logaddexp2(input: Tensor, other: Value) -> Tensor:
    """log2(2 ** x + 2 ** y), without overflow.

    >>> import cnnkit
    >>> cnnkit.logaddexp2(cnnkit.tensor([3.0]), cnnkit.tensor([3.0]))
    tensor([4.])
    """
    x, y = pair(input, other, numbers=False)
    return logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)


def xlogy(input: Any, other: Any) -> Tensor:
    """x log(y), and 0 where x is 0 and y is not NaN.

    >>> import cnnkit
    >>> cnnkit.xlogy(cnnkit.tensor([0.0, 2.0]), cnnkit.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    x, y = pair(input, other)
    x, y = floating(x), floating(y)
    nothing = apply(elementwise.where, x == 0, ~(y > 0), False)
    missing = apply(elementwise.where, nothing, y == y, False)  # noqa: PLR0124 - NaN is not itself
    return apply(elementwise.where, missing, 0.0, x * log(apply(elementwise.where, missing, 1.0, y)))


class ExponentialMethods(Value):
    """These functions, as a Tensor's methods."""

    __slots__ = ()

    exp = exp
    exp2 = exp2
    expm1 = expm1
    log = log
    log2 = log2
    log10 = log10
    log1p = log1p
    sqrt = sqrt
    rsqrt = rsqrt
    square = square
    reciprocal = reciprocal
    erf = erf
    erfc = erfc
    sigmoid = sigmoid
    logit = logit
    logaddexp = logaddexp
    logaddexp2 = logaddexp2
    xlogy = xlogy
