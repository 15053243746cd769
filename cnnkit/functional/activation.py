"""Activation functions on Tensors."""

from __future__ import annotations

import warnings
from typing import Any

import cnnkit.ops.activation as ops
from cnnkit.autograd import Tensor, apply, apply_to
from cnnkit.autograd.functions import activations

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0) of each element; the gradient at 0 is 0, and NaN stays NaN.

    Parameters
    ----------
    input : Tensor
        Any shape.
    inplace : bool
        Change `input` itself, and return it: whoever holds it sees the new value. Here and in every other
        activation.

    >>> import cnnkit
    >>> relu(cnnkit.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return apply_to(ops.relu, input, inplace=inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, elsewhere ``negative_slope * x`` (Maas, Hannun and Ng 2013).

    >>> import cnnkit
    >>> leaky_relu(cnnkit.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5,  2. ])
    """
    return apply_to(ops.leaky_relu, input, negative_slope=negative_slope, inplace=inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, elsewhere ``alpha * (exp(x) - 1)`` (Clevert, Unterthiner and Hochreiter 2016).

    >>> import cnnkit
    >>> elu(cnnkit.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return apply_to(ops.elu, input, alpha=alpha, inplace=inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the part of the normal distribution below x, exactly or by ``"tanh"`` (Hendrycks, Gimpel 2016).

    >>> import cnnkit
    >>> round(gelu(cnnkit.tensor([1.0])).item(), 4), round(gelu(cnnkit.tensor([1.0]), "tanh").item(), 4)
    (0.8413, 0.8412)
    """
    return apply(ops.gelu, input, approximate=approximate)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al., "Searching for MobileNetV3", 2019).

    >>> import cnnkit
    >>> hardswish(cnnkit.tensor([-1.0, 3.0])).tolist()
    [-0.3333333432674408, 3.0]
    """
    return apply_to(ops.hardswish, input, inplace=inplace)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) of each element, without overflow for any x.

    >>> import cnnkit
    >>> sigmoid(cnnkit.tensor([-1000.0, 0.0]))
    tensor([0. , 0.5])
    """
    return apply(ops.sigmoid, input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish (Elfwing, Uchibe and Doya 2018).

    >>> import cnnkit
    >>> silu(cnnkit.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return apply_to(ops.silu, input, inplace=inplace)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element.

    >>> import cnnkit
    >>> tanh(cnnkit.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    return apply(ops.tanh, input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + abs(x)): like `tanh`, and slower to reach its ends (Bergstra et al. 2009).

    >>> import cnnkit
    >>> softsign(cnnkit.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return apply(ops.softsign, input)


def logsigmoid(input: Tensor) -> Tensor:
    """Logarithm of `sigmoid`, exact where that itself would round to 0.

    >>> import cnnkit
    >>> logsigmoid(cnnkit.tensor([-1000.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    return apply(ops.logsigmoid, input)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 times `elu` with alpha 1.6733, which keep mean 0 and variance 1 (Klambauer et al. 2017).

    >>> import cnnkit
    >>> round(selu(cnnkit.tensor([1.0])).item(), 4)
    1.0507
    """
    return apply_to(ops.selu, input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(log(1 + exp(x))) (Misra 2019).

    >>> import cnnkit
    >>> mish(cnnkit.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return apply_to(ops.mish, input, inplace=inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6) of each element (Krizhevsky 2010); the gradient at 0 and at 6 is 0.

    >>> import cnnkit
    >>> relu6(cnnkit.tensor([-1.0, 2.0, 7.0]))
    tensor([0., 2., 6.])
    """
    return apply_to(ops.hardtanh, input, min_val=0.0, max_val=6.0, inplace=inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, and `min_val` or `max_val` where it is beyond.

    Raises
    ------
    ValueError
        If `min_val` is larger than `max_val`.

    >>> import cnnkit
    >>> hardtanh(cnnkit.tensor([-3.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val; "
                         f"hardtanh got min_val={min_val}, max_val={max_val}")
    return apply_to(ops.hardtanh, input, min_val=float(min_val), max_val=float(max_val), inplace=inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6 (Howard et al., "Searching for MobileNetV3", 2019).

    >>> import cnnkit
    >>> hardsigmoid(cnnkit.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """
    return apply_to(ops.hardsigmoid, input, inplace=inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where x is from -`lambd` to `lambd`, elsewhere x.

    >>> import cnnkit
    >>> hardshrink(cnnkit.tensor([-1.0, 0.25]))
    tensor([-1.,  0.])
    """
    return apply(ops.hardshrink, input, lambd=lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where x is from -`lambd` to `lambd`, elsewhere x moved towards 0 by `lambd`.

    Raises
    ------
    ValueError
        If `lambd` is negative.

    >>> import cnnkit
    >>> softshrink(cnnkit.tensor([-1.0, 0.25]))
    tensor([-0.5,  0. ])
    """
    if lambd < 0:
        raise ValueError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    return apply(ops.softshrink, input, lambd=lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    >>> import cnnkit
    >>> tanhshrink(cnnkit.tensor([0.0, 100.0]))
    tensor([ 0., 99.])
    """
    return apply(ops.tanhshrink, input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth `relu`; x itself where ``beta * x > threshold``.

    >>> import cnnkit
    >>> round(softplus(cnnkit.tensor([0.0])).item(), 4)
    0.6931
    """
    return apply(ops.softplus, input, beta=float(beta), threshold=float(threshold))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is larger than `threshold`, elsewhere `value`.

    >>> import cnnkit
    >>> threshold(cnnkit.tensor([-1.0, 2.0]), 0.0, 9.0)
    tensor([9., 2.])
    """
    return apply_to(ops.threshold, input, threshold=float(threshold), value=float(value), inplace=inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, elsewhere ``alpha * (exp(x / alpha) - 1)`` (Barron 2017).

    Raises
    ------
    ZeroDivisionError
        If `alpha` is 0.

    >>> import cnnkit
    >>> celu(cnnkit.tensor([-100.0, 2.0]), alpha=3.0)
    tensor([-3.,  2.])
    """
    if alpha == 0:
        raise ZeroDivisionError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return apply_to(ops.celu, input, alpha=float(alpha), inplace=inplace)


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Probabilities exp(x) / sum(exp(x)) along `dim`.

    Parameters
    ----------
    input : Tensor
        Scores, of any shape and a floating-point dtype.
    dim : int, optional
        The axis of the classes. Without it, it is guessed as PyTorch does, with a warning: axis 0 of Tensors
        with none, one or three axes, else axis 1.
    dtype : dtype, optional
        In which it is computed.

    Raises
    ------
    IndexError
        If there is no such axis.

    >>> import cnnkit
    >>> softmax(cnnkit.tensor([[1000.0, 1000.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    return activations.softmax(input, _axis("softmax", input, dim), dtype)


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """`softmax` of -x.

    >>> import cnnkit
    >>> softmin(cnnkit.tensor([[0.0, 1000.0]]), dim=1)
    tensor([[1., 0.]])
    """
    return activations.softmax(-input, _axis("softmin", input, dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`, with the same arguments, exact where the probability itself would round to 0.

    >>> import cnnkit
    >>> log_softmax(cnnkit.tensor([[0.0, 1000.0]]), dim=1)
    tensor([[-1000.,     0.]])
    """
    return activations.log_softmax(input, _axis("log_softmax", input, dim), dtype)


def _axis(name: str, input: Tensor, dim: int | None) -> int:
    if dim is None:
        warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
                      "dim=X as an argument.", stacklevel=3)
        return 0 if len(input.shape) in (0, 1, 3) else 1
    return dim
