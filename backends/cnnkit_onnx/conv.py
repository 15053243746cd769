"""Convolution, transposed convolution and dense layers: Conv, ConvTranspose, Gemm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import decline
from cnnkit_onnx.drawing import constant, drawn, op, var_of
from cnnkit_onnx.shaping import origin

Array = Any
Pads = tuple[tuple[int, int], ...]


def pads_of(padding: Pads) -> list[int]:
    """Amounts as ONNX lists them: all beginnings, then all ends."""
    return [before for before, _ in padding] + [after for _, after in padding]


def conv(x: Array, weight: Array, bias: Array | None, *, stride: tuple, padding: Pads, dilation: tuple,
         groups: int) -> Any:
    """Conv."""
    return drawn(op.conv(var_of(x), var_of(weight), None if bias is None else var_of(bias), strides=stride,
                         pads=pads_of(padding), dilations=dilation, group=groups,
                         kernel_shape=tuple(weight.shape[2:])))


def conv_input(dy: Array, weight: Array, bias: Array | None = None, *, size: tuple, stride: tuple,
               padding: Pads, dilation: tuple, groups: int) -> Any:
    """ConvTranspose."""
    kernel = tuple(weight.shape[2:])
    beyond = [n - ((p - 1) * s - sum(amounts) + d * (k - 1) + 1) for n, p, s, amounts, d, k
              in zip(size, dy.shape[2:], stride, padding, dilation, kernel)]
    if any(not 0 <= extra < s for extra, s in zip(beyond, stride)) and any(beyond):
        return decline(f"output_padding {beyond} with stride {list(stride)}")
    return drawn(op.conv_transpose(var_of(dy), var_of(weight), None if bias is None else var_of(bias),
                                   strides=stride, pads=pads_of(padding), dilations=dilation, group=groups,
                                   kernel_shape=kernel, output_padding=beyond if any(beyond) else None))


def conv_input_and_bias(*arrays: Array, calls: Sequence[Any]) -> Any:
    """ConvTranspose with the bias that is added to its channels."""
    if len(arrays) != 3 or not hasattr(arrays[2], "dtype"):
        return decline("no bias")
    dy, weight, added = arrays
    channels = weight.shape[1] * calls[0].attrs["groups"]
    if tuple(added.shape) != (1, channels, *[1] * (dy.ndim - 2)) or added.dtype != dy.dtype:
        return decline("what is added is no bias of the channels")
    bias = origin(added)
    if tuple(bias.shape) != (channels,):
        bias = drawn(op.reshape(var_of(added), constant([channels], "int64")))
    return conv_input(dy, weight, bias, **calls[0].attrs)


def linear(x: Array, weight: Array, bias: Array | None) -> Any:
    """Gemm for rows, MatMul and Add for more axes."""
    if x.ndim == 2:
        return drawn(op.gemm(var_of(x), var_of(weight), None if bias is None else var_of(bias), transB=1))
    y = op.matmul(var_of(x), op.transpose(var_of(weight), perm=(1, 0)))
    return drawn(y if bias is None else op.add(y, var_of(bias)))


def matmul(x: Array, y: Array) -> Any:
    """MatMul."""
    if x.dtype != y.dtype:
        return decline("two dtypes")
    return drawn(op.matmul(var_of(x), var_of(y)))
