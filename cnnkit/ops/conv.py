"""Convolution: cross-correlation of images with filters, and the two products that are its gradients.

There are as many spatial axes as `stride` has numbers. Each op's backward is made of calls of the
other two, so a kernel of any of them serves wherever it is needed:

    y = conv(x, weight)             dx = conv_input(dy, weight)      dweight = conv_filters(x, dy)
    x = conv_input(y, weight)       dy = conv(dx, weight)            dweight = conv_filters(dx, y)
    weight = conv_filters(x, y)     dx = conv_input(y, dweight)      dy = conv(x, dweight)

The second line is transposed convolution: `conv_input` forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating, narrow, need_floating, wide_sum, widen
from cnnkit.ops.window import Pads, Sizes, fold, pad, unfold
from cnnkit.shapes import conv_output_shape

__all__ = ["conv", "conv_filters", "conv_input"]

Array = Any


# -- checks --------------------------------------------------------------------------------------------------

def _infer_conv(shapes: Sequence, dtypes: Sequence, *, stride: Sizes, padding: Pads,
                dilation: Sizes, groups: int) -> tuple:
    x, weight, bias = shapes
    dtype = dtypes[0]
    shape = conv_output_shape(x, weight, stride, padding, dilation, groups)
    if not is_floating(dtype) or dtypes[1] != dtype or (bias is not None
                                                        and (dtypes[2] != dtype or bias != weight[:1])):
        _explain(f"conv{len(stride)}d", shapes, dtypes)
    return ((shape, dtype),)


def _explain(name: str, shapes: Sequence, dtypes: Sequence) -> None:
    """Raise the error of a dtype or of the bias that does not fit."""
    for dtype in dtypes:
        if dtype is not None:
            need_floating(name, dtype)
    names = [dtype_name(d) for d in dtypes if d is not None]
    if len(set(names)) > 1:
        arguments = "input, weight and bias" if len(names) == 3 else "input and weight"
        raise TypeError(f"{name} needs one dtype; {arguments} are {', '.join(names)}. "
                        f"Convert the input with .to(dtype={names[1]!r}), "
                        f"or the layer with Module.to(dtype={names[0]!r})")
    if tuple(shapes[2]) != tuple(shapes[1][:1]):
        raise ValueError(f"{name} got a bias of shape {tuple(shapes[2])} for a weight of shape "
                         f"{tuple(shapes[1])}; it needs one value for each output channel: ({shapes[1][0]},)")


def _infer_conv_input(shapes: Sequence, dtypes: Sequence, *, size: Sizes, stride: Sizes, padding: Pads,
                      dilation: Sizes, groups: int) -> tuple:
    dy, weight = shapes
    name = f"conv_transpose{len(stride)}d"
    if len(dy) != len(stride) + 2 or len(weight) != len(dy) or dy[1] != weight[0]:
        raise ValueError(f"{name} got an input of shape {tuple(dy)} and a weight of shape {tuple(weight)}; "
                         "the input's channels (axis 1) must be as many as the weight's first axis")
    x = (dy[0], weight[1] * groups, *size)
    result = conv_output_shape(x, weight, stride, padding, dilation, groups, name)
    if result != tuple(dy):
        raise ValueError(f"{name} cannot make {tuple(size)} of {tuple(dy[2:])}: "
                         f"a convolution of {tuple(size)} with kernel_size={tuple(weight[2:])}, {stride=}, "
                         f"{padding=}, {dilation=} gives {tuple(result[2:])}")
    _need_one_dtype(name, dtypes)
    return ((x, dtypes[0]),)


def _infer_conv_filters(shapes: Sequence, dtypes: Sequence, *, kernel_size: Sizes, stride: Sizes,
                        padding: Pads, dilation: Sizes, groups: int) -> tuple:
    x, dy = shapes
    if len(x) != len(stride) + 2 or len(dy) != len(x) or groups < 1 or x[1] % groups:
        raise ValueError(f"conv_filters got an input of shape {tuple(x)} and a "
                         f"gradient of shape {tuple(dy)} in {groups} "
                         f"groups; it needs {len(stride) + 2} axes each, and groups that divide the channels")
    weight = (dy[1], x[1] // groups, *kernel_size)
    result = conv_output_shape(x, weight, stride, padding, dilation, groups, "conv_filters")
    if result != tuple(dy):
        raise ValueError(f"conv_filters got a gradient of shape {tuple(dy)}; "
                         f"a convolution of {tuple(x)} with {weight} gives {result}")
    _need_one_dtype("conv_filters", dtypes)
    return ((weight, dtypes[0]),)


def _need_one_dtype(name: str, dtypes: Sequence) -> None:
    for dtype in dtypes:
        need_floating(name, dtype)
    if dtypes[0] != dtypes[1]:
        raise TypeError(f"{name} needs one dtype; its inputs are {dtype_name(dtypes[0])} and "
                        f"{dtype_name(dtypes[1])}. Convert one with .to(dtype=...)")


# -- the ops -------------------------------------------------------------------------------------------------

@op(infer=_infer_conv, role="conv", sums=True, saves={0: (0, 1), 1: (0, 1), 2: (0, 1)})
def conv(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], stride: Sizes, padding: Pads,
         dilation: Sizes, groups: int) -> tuple:
    """Cross-correlation of x (N, C, H, W) with weight (K, C/groups, R, S), plus bias (K,): (N, K, P, Q).

    ``y[n, k, p, q] = bias[k] + sum_crs weight[k, c, r, s] * x[n, c, p sh + r dh - top, q sw + s dw - left]``;
    with any other number of spatial axes likewise.
    """
    xp, dtype = namespace_of(x), x.dtype
    N, K, *size = conv_output_shape(x.shape, weight.shape, stride, padding, dilation, groups)
    columns = _columns(x, weight.shape[2:], stride, padding, dilation, groups, size)
    y = xp.reshape(xp.matmul(_filters(weight, groups), columns), (N, K, *size))
    if bias is not None:
        y = y + xp.reshape(widen(bias), (1, K, *(1,) * len(size)))
    y = xp.astype(y, dtype, copy=False)
    if not any(needs):
        return y, None
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return y, conv_backward(x, weight, needs, window)


def conv_backward(x: Array, weight: Array, needs: Sequence[bool], window: dict[str, Any]) -> Callable:
    """The backward of `conv` by calls of `conv_input` and `conv_filters`; kernels use it too."""
    shape, kernel_size = tuple(x.shape[2:]), tuple(weight.shape[2:])
    # only the weight's gradient needs x, and only the input's gradient needs the weight
    kept_x = x if needs[1] else None
    kept_weight = weight if needs[0] else None

    def backward(dy: Array) -> tuple:
        dx = dweight = dbias = None
        if needs[0]:
            (dx,), _ = conv_input(dy, kept_weight, size=shape, **window)
        if needs[1]:
            (dweight,), _ = conv_filters(kept_x, dy, kernel_size=kernel_size, **window)
        if needs[2]:
            axes = (0, *range(2, dy.ndim))
            dbias = narrow(wide_sum(dy, axes), dy.dtype)
        return dx, dweight, dbias
    return backward


@op(infer=_infer_conv_input, sums=True)
def conv_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: Sizes, stride: Sizes, padding: Pads,
               dilation: Sizes, groups: int) -> tuple:
    """The input's gradient of `conv`, or transposed conv: (N, K, P, Q), (K, C/groups, R, S) -> (N, C, H, W).

    ``x[n, c, h, w] = sum of weight[k, c, r, s] * dy[n, k, p, q]`` over all k, p, q, r, s for which `conv`
    multiplies that weight with that pixel of an image of `size` (H, W), for its result at p, q.
    """
    xp, dtype = namespace_of(dy), dy.dtype
    N, K, *output_size = dy.shape
    _, channels, *kernel_size = weight.shape
    widened = xp.reshape(widen(dy), (N, groups, K // groups, prod(output_size)))
    columns = xp.matmul(xp.matrix_transpose(_filters(weight, groups)), widened)
    columns = xp.reshape(columns, (N, groups * channels, prod(kernel_size), *output_size))
    padded = tuple(n + sum(amounts) for n, amounts in zip(size, padding))
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(size, padding))
    x = fold(columns, padded, tuple(kernel_size), stride, dilation)[(slice(None), slice(None), *inside)]
    x = xp.astype(x, dtype, copy=False)
    if not any(needs):
        return x, None
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, conv_input_backward(dy, weight, needs, window)


def conv_input_backward(dy: Array, weight: Array, needs: Sequence[bool], window: dict[str, Any]) -> Callable:
    """The backward of `conv_input`, by calls of `conv` and `conv_filters`."""
    kernel_size = tuple(weight.shape[2:])
    kept_dy, kept_weight = dy if needs[1] else None, weight if needs[0] else None

    def backward(dx: Array) -> tuple:
        return (conv(dx, kept_weight, None, **window)[0][0] if needs[0] else None,
                conv_filters(dx, kept_dy, kernel_size=kernel_size, **window)[0][0] if needs[1] else None)
    return backward


@op(infer=_infer_conv_filters, sums=True)
def conv_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: Sizes, stride: Sizes,
                 padding: Pads, dilation: Sizes, groups: int) -> tuple:
    """The filters' gradient of `conv`: (N, C, H, W), (N, K, P, Q) -> (K, C/groups, R, S).

    ``weight[k, c, r, s] = sum_npq dy[n, k, p, q] * x[n, c, p sh + r dh - top, q sw + s dw - left]``.
    """
    xp, dtype = namespace_of(x), x.dtype
    N, K, *output_size = dy.shape
    columns = _columns(x, kernel_size, stride, padding, dilation, groups, output_size)
    widened = xp.reshape(widen(dy), (N, groups, K // groups, prod(output_size)))
    weight = xp.sum(xp.matmul(widened, xp.matrix_transpose(columns)), axis=0)
    weight = xp.astype(xp.reshape(weight, (K, x.shape[1] // groups, *kernel_size)), dtype, copy=False)
    if not any(needs):
        return weight, None
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return weight, conv_filters_backward(x, dy, needs, window)


def conv_filters_backward(x: Array, dy: Array, needs: Sequence[bool], window: dict[str, Any]) -> Callable:
    """The backward of `conv_filters`, by calls of `conv_input` and `conv`."""
    size = tuple(x.shape[2:])
    kept_x, kept_dy = x if needs[1] else None, dy if needs[0] else None

    def backward(dweight: Array) -> tuple:
        return (conv_input(kept_dy, dweight, size=size, **window)[0][0] if needs[0] else None,
                conv(kept_x, dweight, None, **window)[0][0] if needs[1] else None)
    return backward


def _filters(weight: Array, groups: int) -> Array:
    """The filters as one matrix per group: (groups, K/groups, C/groups R S)."""
    K, *rest = weight.shape
    return namespace_of(weight).reshape(widen(weight), (groups, K // groups, prod(rest)))


def _columns(x: Array, kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes, groups: int,
             size: Sequence[int]) -> Array:
    """The pixels that each filter position covers ("im2col"): (N, groups, C/groups R S, P Q)."""
    N, C = x.shape[:2]
    windows = unfold(pad(widen(x), padding), kernel_size, stride, dilation, size)
    return namespace_of(x).reshape(windows, (N, groups, C // groups * prod(kernel_size), prod(size)))
