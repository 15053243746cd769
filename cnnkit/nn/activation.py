"""Activation layers: each is its function of `cnnkit.functional`, with its settings."""

from __future__ import annotations

import cnnkit.functional as F
from cnnkit.nn.function import FunctionModule

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class ReLU(FunctionModule, function=F.relu):
    """max(x, 0).

    Parameters
    ----------
    inplace : bool
        Change the input itself. Here and in every other activation.

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


class ReLU6(FunctionModule, function=F.relu6):
    """min(max(x, 0), 6); see `functional.relu6`."""


class Hardtanh(FunctionModule, function=F.hardtanh):
    """x between `min_val` and `max_val`; see `functional.hardtanh`.

    >>> Hardtanh()
    Hardtanh(min_val=-1.0, max_val=1.0)
    """


class Hardsigmoid(FunctionModule, function=F.hardsigmoid, shown=False):
    """min(max(x + 3, 0), 6) / 6; see `functional.hardsigmoid`."""


class Hardshrink(FunctionModule, function=F.hardshrink):
    """0 near 0; see `functional.hardshrink`."""

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(FunctionModule, function=F.softshrink):
    """0 near 0, elsewhere moved towards it; see `functional.softshrink`."""

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Tanhshrink(FunctionModule, function=F.tanhshrink):
    """x - tanh(x); see `functional.tanhshrink`."""


class Softplus(FunctionModule, function=F.softplus):
    """log(1 + exp(x)), a smooth ReLU; see `functional.softplus`.

    >>> Softplus()
    Softplus(beta=1.0, threshold=20.0)
    """


class Threshold(FunctionModule, function=F.threshold):
    """`value` where x is not above `threshold`; see `functional.threshold`.

    >>> Threshold(0.5, 0.0)
    Threshold(threshold=0.5, value=0.0)
    """


class CELU(FunctionModule, function=F.celu):
    """x where x > 0, elsewhere ``alpha * (exp(x / alpha) - 1)``; see `functional.celu`."""


class GLU(FunctionModule, function=F.glu):
    """One half of the channels times the sigmoid of the other; see `functional.glu`."""


class Softmin(FunctionModule, function=F.softmin):
    """Probabilities of -x along `dim`; see `functional.softmin`."""


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
