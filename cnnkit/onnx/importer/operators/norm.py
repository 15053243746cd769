"""Normalisation: batch, instance, layer and group norm, and what else divides by a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnkit.autograd.functions as T
import cnnkit.ops.standardize as ops
from cnnkit import functional as F
from cnnkit.autograd import Tensor, apply
from cnnkit.onnx.importer.declaration import Ints, operator


@operator("BatchNormalization", until=8, state="mean var")
def batch_norm_7(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5,
                 momentum: float = 0.9, spatial: int = 1, training: bool, results: int) -> Any:
    if not spatial:
        raise ValueError("BatchNormalization with spatial=0, of each pixel by itself, is not supported")
    return _batch_norm(x, scale, bias, mean, var, epsilon, momentum, training, results)


@operator("BatchNormalization", since=9, until=13, state="mean var")
def batch_norm_9(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5,
                 momentum: float = 0.9, training: bool, results: int) -> Any:
    return _batch_norm(x, scale, bias, mean, var, epsilon, momentum, training, results)


def _batch_norm(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor, epsilon: float,
                momentum: float, training: bool, results: int) -> Any:
    if results > 1:
        raise ValueError("BatchNormalization that trains, with several outputs, is read from opset 14 on; "
                         "export the model in evaluation mode")
    return F.batch_norm(x, mean, var, scale, bias, training, 1 - momentum, epsilon)


@operator("BatchNormalization", since=14, state="mean var")
def batch_norm(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5,
               momentum: float = 0.9, training_mode: int = 0, training: bool, results: int) -> Any:
    """By the running statistics; where the module trains, by the batch's, towards which those move.

    With ``training_mode`` the graph itself trains: the new statistics are outputs, and nothing is changed.
    """
    if not training_mode and results == 1:
        return F.batch_norm(x, mean, var, scale, bias, training, 1 - momentum, epsilon)
    if not training_mode:
        raise ValueError("BatchNormalization has several outputs only with training_mode=1")
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    y = F.batch_norm(x, None, None, scale, bias, True, 0.0, epsilon)
    found = T.mean(x, axes), T.var(x, axes, unbiased=False)
    moved = [(old * momentum + new * (1 - momentum)).to(dtype=old.dtype)
             for old, new in zip((mean, var), found)]
    return (y, *moved)[:results]


@operator("InstanceNormalization")
def instance_norm(x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


@operator("LayerNormalization")
def layer_norm(x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5,
               stash_type: int = 1, results: int) -> Any:
    """Over the axes from `axis` on; on request also the mean, and 1 over the standard deviation."""
    axes = _from(axis, x.ndim)
    y = apply(ops.standardize, x, scale, bias, axes=axes, eps=epsilon, center=True)
    if results == 1:
        return y
    wide = x.to(dtype="float32") if stash_type == 1 and x.dtype != "float64" else x
    spread = 1 / T.sqrt(T.var(wide, axes, unbiased=False, keepdim=True) + epsilon)
    return (y, T.mean(wide, axes, keepdim=True), spread)[:results]


@operator("RMSNormalization")
def rms_norm(x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5,
             stash_type: int = 1) -> Tensor:
    return apply(ops.standardize, x, scale, None, axes=_from(axis, x.ndim), eps=epsilon, center=False)


def _from(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(range(axis + ndim if axis < 0 else axis, ndim))


@operator("GroupNormalization", since=18, until=20)
def group_norm_18(x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int,
                  epsilon: float = 1e-5) -> Tensor:
    """With one scale and one bias for each group."""
    size = x.shape[1] // num_groups
    return F.group_norm(x, num_groups, scale.repeat_interleave(size), bias.repeat_interleave(size), epsilon)


@operator("GroupNormalization", since=21)
def group_norm(x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5,
               stash_type: int = 1) -> Tensor:
    return F.group_norm(x, num_groups, scale, bias, epsilon)


@operator("LRN")
def local_response_norm(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75,
                        bias: float = 1.0) -> Tensor:
    """Of an even number of channels, one more comes after each than before it; PyTorch has it before."""
    if size % 2:
        return F.local_response_norm(x, size, alpha, beta, bias)
    N, C = x.shape[:2]
    squares = (x * x).reshape((N, 1, C, -1))
    mean = F.avg_pool2d(F.pad(squares, (0, 0, (size - 1) // 2, size // 2)), (size, 1), 1)
    return x / (mean.reshape(x.shape) * alpha + bias) ** beta


@operator("MeanVarianceNormalization")
def mean_variance_norm(x: Tensor, *, axes: Ints = (0, 2, 3)) -> Tensor:
    chosen = tuple(sorted(axis % x.ndim for axis in axes))
    return apply(ops.standardize, x, None, None, axes=chosen, eps=1e-9, center=True)


@operator("LpNormalization")
def lp_norm(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """Zeros stay zeros."""
    size = _size(x, (axis,), p)
    return T.where(size == 0, T.zeros_like(x), x / T.where(size == 0, T.ones_like(size), size))


def _size(x: Tensor, axes: Sequence[int], p: int) -> Tensor:
    if p == 1:
        return T.sum(T.abs(x), tuple(axes), keepdim=True)
    return T.sqrt(T.sum(x * x, tuple(axes), keepdim=True))
