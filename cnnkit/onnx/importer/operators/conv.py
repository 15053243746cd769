"""Convolution and transposed convolution, along any number of axes."""

from __future__ import annotations

import cnnkit.ops.conv as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.functional import pad
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.operators.windows import AUTO_PADS, pads_of, sizes


def _check(x: Tensor, weight: Tensor, kernel_shape: Ints | None) -> int:
    """The number of spatial axes."""
    rank = weight.ndim - 2
    if rank < 1 or x.ndim != rank + 2:
        raise ValueError(f"an input of shape {x.shape} does not fit a weight of shape {weight.shape}: both "
                         "have as many axes")
    if kernel_shape is not None and kernel_shape != weight.shape[2:]:
        raise ValueError(f"kernel_shape is {kernel_shape}, and the weight has the shape {weight.shape}")
    return rank


@operator("Conv")
def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET",
         dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None,
         pads: Ints | None = None, strides: Ints | None = None) -> Tensor:
    rank = _check(x, weight, kernel_shape)
    stride, dilation = sizes(strides, rank, "strides"), sizes(dilations, rank, "dilations")
    padding = pads_of(auto_pad, pads, x.shape[2:], weight.shape[2:], stride, dilation)
    return apply(ops.conv, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=group)


@operator("ConvTranspose")
def conv_transpose(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, auto_pad: str = "NOTSET",
                   dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None,
                   output_padding: Ints | None = None, output_shape: Ints | None = None,
                   pads: Ints | None = None, strides: Ints | None = None) -> Tensor:
    """`output_shape` decides the padding where it is given, else ``auto_pad`` or ``pads`` the size."""
    rank = _check(x, weight, kernel_shape)
    stride, dilation = sizes(strides, rank, "strides"), sizes(dilations, rank, "dilations")
    extra = (0,) * rank if output_padding is None else output_padding
    if len(extra) != rank or auto_pad not in AUTO_PADS:
        raise ValueError(f"it has {rank} spatial axes, output_padding={output_padding} and "
                         f"auto_pad={auto_pad!r}")
    reach = tuple((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in
                  zip(x.shape[2:], stride, dilation, weight.shape[2:]))
    if output_shape is None and auto_pad.startswith("SAME"):
        output_shape = tuple(n * s for n, s in zip(x.shape[2:], stride))
    if output_shape is None:
        cut = pads_of(auto_pad, pads, reach, weight.shape[2:], stride, dilation)
    else:
        cut = tuple(_cut(total + e - n, auto_pad) for total, e, n in zip(reach, extra, output_shape[-rank:]))
    y = _transposed(x, weight, stride, cut, dilation, group, reach, extra)
    return y if bias is None else y + bias.reshape((1, -1, *(1,) * rank))


def _cut(total: int, auto_pad: str) -> tuple[int, int]:
    """What is left out before and after an axis, where `total` is too much."""
    less, more = total // 2, total - total // 2
    return (less, more) if auto_pad == "SAME_UPPER" else (more, less)


def _transposed(x: Tensor, weight: Tensor, stride: Ints, cut: tuple, dilation: Ints, group: int,
                reach: Ints, extra: Ints) -> Tensor:
    """As the gradient of a convolution of this stride and padding, where there is one; or else cropped."""
    size = tuple(n + e - before - after for n, e, (before, after) in zip(reach, extra, cut))
    if min(size) < 1:
        raise ValueError(f"an input of shape {x.shape} makes no pixels: {size}")
    if all(e < s and min(amounts) >= 0 for e, s, amounts in zip(extra, stride, cut)):
        return apply(ops.conv_input, x, weight, size=size, stride=stride, padding=cut, dilation=dilation,
                     groups=group)
    whole = apply(ops.conv_input, x, weight, size=reach, stride=stride, padding=((0, 0),) * len(size),
                  dilation=dilation, groups=group)
    amounts = [(-before, e - after) for e, (before, after) in zip(extra, cut)]
    return pad(whole, [n for pair in reversed(amounts) for n in pair])
