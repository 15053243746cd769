"""Activations, and the softmax family."""

from __future__ import annotations

import math
from collections.abc import Callable

import cnnkit.autograd.functions as T
from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.operators.arithmetic import unary

SELU = 1.67326319217681884765625, 1.05070102214813232421875

unary(Relu=F.relu, Sigmoid=F.sigmoid, Softplus=F.softplus, Softsign=F.softsign, HardSwish=F.hardswish,
      Mish=F.mish)


@operator("LeakyRelu")
def leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


@operator("PRelu")
def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """The slope stretches to the input's shape."""
    return T.where(x < 0, slope * x, x)


@operator("Elu")
def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.elu(x, alpha)


@operator("Celu")
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.celu(x, alpha)


@operator("Selu")
def selu(x: Tensor, *, alpha: float = SELU[0], gamma: float = SELU[1]) -> Tensor:
    if math.isclose(alpha, SELU[0], rel_tol=1e-6) and math.isclose(gamma, SELU[1], rel_tol=1e-6):
        return F.selu(x)
    return F.elu(x, alpha) * gamma


@operator("HardSigmoid")
def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    if beta == 0.5 and math.isclose(alpha, 1 / 6, rel_tol=1e-6):
        return F.hardsigmoid(x)
    return T.clamp(x * alpha + beta, 0, 1)


@operator("ThresholdedRelu")
def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.threshold(x, alpha, 0.0)


@operator("Gelu")
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    return F.gelu(x, approximate)


@operator("Swish")
def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return F.silu(x) if alpha == 1 else x * F.sigmoid(x * alpha)


@operator("Shrink")
def shrink(x: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    zero = T.zeros_like(x)
    return T.where(x < -lambd, x + bias, T.where(x > lambd, x - bias, zero)).to(dtype=x.dtype)


def _hardmax(x: Tensor, axis: int) -> Tensor:
    """1 for the first largest element along an axis, 0 for the others."""
    chosen = F.one_hot(T.argmax(x, axis), x.shape[axis]).to(dtype=x.dtype)
    return T.movedim(chosen, -1, axis)


def _family(name: str, along: Callable[[Tensor, int], Tensor]) -> None:
    @operator(name, until=12)
    def of_rows(x: Tensor, *, axis: int = 1) -> Tensor:
        """Before opset 13 the input is a matrix, whose rows begin at an axis."""
        rows = math.prod(x.shape[:axis + x.ndim if axis < 0 else axis])
        return along(x.reshape((rows, x.numel() // rows if rows else 0)), 1).reshape(x.shape)

    @operator(name, since=13)
    def of_axis(x: Tensor, *, axis: int = -1) -> Tensor:
        return along(x, axis)


_family("Softmax", F.softmax)
_family("LogSoftmax", F.log_softmax)
_family("Hardmax", _hardmax)
