"""How far elements lie from their mean: variances and standard deviations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.reduction import axes_of, mean, sum
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["std", "std_mean", "var", "var_mean"]


def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: Number | None = None) -> Tensor:
    """Variance over all axes, or over `dim`: the mean square distance from the mean.

    Parameters
    ----------
    unbiased : bool
        Divide by n - 1 (the default) or by n; it may also come first, ``x.var(False)``.
    correction : int
        What is taken from n, in the place of `unbiased`.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0, 3.0])
    >>> x.var(), x.var(correction=0)
    (tensor(2.), tensor(1.))
    """
    return var_mean(input, dim, unbiased, keepdim, correction=correction)[0]


def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: Number | None = None) -> Tensor:
    """Standard deviation: the square root of `var`, with the same arguments; its gradient at 0 is 0.

    >>> import cnnkit
    >>> cnnkit.std(cnnkit.tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """
    return _root(var(input, dim, unbiased, keepdim, correction=correction))


def std_mean(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: Number | None = None) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean at once; see `var`.

    >>> import cnnkit
    >>> cnnkit.std_mean(cnnkit.tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(2.))
    """
    variance, middle = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return _root(variance), middle


def var_mean(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: Number | None = None) -> tuple[Tensor, Tensor]:
    """Variance and mean at once; see `var`.

    >>> import cnnkit
    >>> cnnkit.var_mean(cnnkit.tensor([1.0, 3.0]))
    (tensor(2.), tensor(2.))
    """
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"var and std need floating-point numbers; got {input.dtype}")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    axes = axes_of(input, dim)
    middle = mean(input, dim, True)
    distance = input - middle
    total = sum(distance * distance, dim, keepdim)
    listed = range(input.ndim) if axes is None else axes if isinstance(axes, tuple) else (axes,)
    count = math.prod(input.shape[axis] for axis in listed) - correction
    variance = total / count if count > 0 else total * (math.inf if count == 0 else math.nan)
    if count <= 0:  # 0 / 0 is NaN, and a positive sum by nothing infinite
        variance = apply(elementwise.where, total == 0, math.nan, variance)
    return variance, middle.reshape(variance.shape)


def _root(x: Any) -> Any:
    """The square root, whose gradient at 0 is 0."""
    zero = x == 0
    root = apply(elementwise.sqrt, apply(elementwise.where, zero, 1.0, x))
    return apply(elementwise.where, zero, 0.0, root)


class SpreadMethods(Value):
    """Variances, as a Tensor's methods."""

    __slots__ = ()

    std = std
    var = var
