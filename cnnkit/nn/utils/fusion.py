"""Convolution and batch norm in evaluation as one convolution."""

from __future__ import annotations

import copy
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.autograd.functions import rsqrt, zeros_like
from cnnkit.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of the convolution that does what it and the batch norm after it do in evaluation.

    Parameters
    ----------
    conv, bn : Module
        Both in evaluation mode.
    transpose : bool
        Whether the convolution is transposed.

    Raises
    ------
    ValueError
        If one of them trains.

    >>> from cnnkit import nn
    >>> fuse_conv_bn_eval(nn.Conv2d(1, 2, 3, bias=False).eval(), nn.BatchNorm2d(2).eval()).bias.shape
    (2,)
    """
    if conv.training or bn.training:
        raise ValueError("fusing is for evaluation: call eval() of both modules before")
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose)
    return fused


def fuse_conv_bn_weights(conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
                         bn_w: Tensor | None, bn_b: Tensor | None,
                         transpose: bool = False) -> tuple[Parameter, Parameter]:
    """Filters and biases of a convolution with the batch norm's statistics, scale and shift in them."""
    bias = zeros_like(bn_rm) if conv_b is None else conv_b
    scale = rsqrt(bn_rv + bn_eps)
    scale = scale if bn_w is None else scale * bn_w
    shape = (1, -1) if transpose else (-1, 1)
    weight = conv_w * scale.reshape(*shape, *(1,) * (len(conv_w.shape) - 2))
    bias = (bias - bn_rm) * scale
    bias = bias if bn_b is None else bias + bn_b
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, conv_w.requires_grad)
