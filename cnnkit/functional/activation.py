"""Activation functions on Tensors."""

from __future__ import annotations

import cnnkit.ops.activation as ops
from cnnkit.autograd import Tensor, apply, apply_to

__all__ = [
    "elu",
    "gelu",
    "hardswish",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softsign",
    "tanh",
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


def softmax(input: Tensor, dim: int) -> Tensor:
    """Probabilities exp(x) / sum(exp(x)) along `dim`.

    Parameters
    ----------
    input : Tensor
        Scores, of any shape and a floating-point dtype.
    dim : int
        The axis of the classes. It must be given: PyTorch's deprecated default is not supported.

    Raises
    ------
    IndexError
        If there is no such axis.

    >>> import cnnkit
    >>> softmax(cnnkit.tensor([[1000.0, 1000.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    return apply(ops.softmax, input, axis=dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """Logarithm of `softmax`, with the same arguments, exact where the probability itself would round to 0.

    >>> import cnnkit
    >>> log_softmax(cnnkit.tensor([[0.0, 1000.0]]), dim=1)
    tensor([[-1000.,     0.]])
    """
    return apply(ops.log_softmax, input, axis=dim)
