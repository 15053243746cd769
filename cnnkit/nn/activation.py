"""Activation layers: each is its function of `cnnkit.functional`, with its settings."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Hardswish",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
]


class ReLU(FunctionModule, function=F.relu):
    """max(x, 0).

    Parameters
    ----------
    inplace : bool
        Accepted as PyTorch's, and ignored here and in every other activation: the result is a new Tensor.

    >>> ReLU()
    ReLU()
    """


class LeakyReLU(FunctionModule, function=F.leaky_relu):
    """x where x > 0, elsewhere ``negative_slope * x``; see `functional.leaky_relu`.

    >>> LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """


class ELU(FunctionModule, function=F.elu):
    """x where x > 0, elsewhere ``alpha * (exp(x) - 1)``; see `functional.elu`.

    >>> ELU()
    ELU(alpha=1.0)
    """


class GELU(FunctionModule, function=F.gelu):
    """x times the part of the normal distribution below x; see `functional.gelu`."""


class Hardswish(FunctionModule, function=F.hardswish, shown=False):
    """x * min(max(x + 3, 0), 6) / 6; see `functional.hardswish`."""


class Sigmoid(FunctionModule, function=F.sigmoid):
    """1 / (1 + exp(-x)).

    >>> Sigmoid()
    Sigmoid()
    """


class SiLU(FunctionModule, function=F.silu):
    """x * sigmoid(x), also called swish.

    >>> SiLU()
    SiLU()
    """


class Tanh(FunctionModule, function=F.tanh):
    """Hyperbolic tangent.

    >>> Tanh()
    Tanh()
    """


class Softsign(FunctionModule, function=F.softsign):
    """x / (1 + abs(x))."""


class LogSigmoid(FunctionModule, function=F.logsigmoid):
    """Logarithm of the sigmoid; see `functional.logsigmoid`."""


class SELU(FunctionModule, function=F.selu):
    """1.0507 times ELU with alpha 1.6733; see `functional.selu`."""


class Mish(FunctionModule, function=F.mish):
    """x * tanh(log(1 + exp(x))); see `functional.mish`."""


class Softmax(FunctionModule, function=F.softmax):
    """Probabilities along `dim`. `CrossEntropyLoss` wants the scores before it, not its result.

    >>> Softmax(dim=1)
    Softmax(dim=1)
    """


class LogSoftmax(FunctionModule, function=F.log_softmax):
    """Logarithms of probabilities along `dim`, for `NLLLoss`.

    >>> LogSoftmax(dim=1)
    LogSoftmax(dim=1)
    """
