"""The convolution op: cross-correlation of images with filters, as matrix products of filters and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import dtype_name, namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.precision import is_floating, need_floating, widen
from cnnkit.ops.window import Pads, Pair, fold, pad, unfold
from cnnkit.shapes import conv2d_output_shape

Array = Any


def _infer_conv2d(shapes: Sequence, dtypes: Sequence, *, stride: Pair, padding: Pads, dilation: Pair, groups: int) -> tuple:
    x, weight, bias = shapes
    dtype = dtypes[0]
    shape = conv2d_output_shape(x, weight, stride, padding, dilation, groups)
    if not is_floating(dtype) or dtypes[1] != dtype or (bias is not None and (dtypes[2] != dtype or bias != weight[:1])):
        _explain(shapes, dtypes)
    return ((shape, dtype),)


def _explain(shapes: Sequence, dtypes: Sequence) -> None:
    """Raise what is wrong with dtypes or bias."""
    for dtype in dtypes:
        if dtype is not None:
            need_floating("conv2d", dtype)
    names = [dtype_name(d) for d in dtypes if d is not None]
    if len(set(names)) > 1:
        raise TypeError(f"conv2d needs one dtype; {'input, weight and bias' if len(names) == 3 else 'input and weight'} are "
                        f"{', '.join(names)}. Convert the input with .to(dtype={names[1]!r}), or the layer with "
                        f"Module.to(dtype={names[0]!r})")
    if tuple(shapes[2]) != tuple(shapes[1][:1]):
        raise ValueError(f"conv2d got a bias of shape {tuple(shapes[2])} for a weight of shape {tuple(shapes[1])}; it needs "
                         f"one value for each output channel: ({shapes[1][0]},)")


@op(infer=_infer_conv2d, role="conv")
def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], stride: Pair, padding: Pads, dilation: Pair,
           groups: int) -> tuple:
    """Cross-correlation: x is (N, C, H, W), weight (K, C/groups, R, S), bias (K,) or None; the result (N, K, P, Q).

    ``y[n, k, p, q] = bias[k] + sum_crs weight[k, c, r, s] * x[n, c, p sh + r dh - top, q sw + s dw - left]``.
    """
    xp, kind = namespace_of(x), x.dtype
    N, K, P, Q = conv2d_output_shape(x.shape, weight.shape, stride, padding, dilation, groups)
    filters = _filters(weight, groups)
    columns = _columns(x, weight.shape[2:], stride, padding, dilation, groups, (P, Q))
    y = xp.reshape(xp.matmul(filters, columns), (N, K, P, Q))
    if bias is not None:
        y = y + xp.reshape(widen(bias), (1, K, 1, 1))
    y = xp.astype(y, kind, copy=False)
    if not any(needs):
        return y, None
    size, shape = tuple(x.shape[2:]), tuple(weight.shape)
    x = x if needs[1] else None  # held for the weight's gradient alone, and the weight for the input's
    weight = weight if needs[0] else None

    def backward(dy: Array) -> tuple:
        dx = dweight = dbias = None
        dy = xp.reshape(widen(dy), (N, groups, K // groups, P * Q))
        if needs[0]:
            dcolumns = xp.matmul(xp.matrix_transpose(_filters(weight, groups)), dy)
            dcolumns = xp.reshape(dcolumns, (N, groups * shape[1], shape[2] * shape[3], P, Q))
            (top, bottom), (left, right) = padding
            padded = (size[0] + top + bottom, size[1] + left + right)
            dx = fold(dcolumns, padded, shape[2:], stride, dilation)[:, :, top:top + size[0], left:left + size[1]]
            dx = xp.astype(dx, kind, copy=False)
        if needs[1]:
            columns = _columns(x, shape[2:], stride, padding, dilation, groups, (P, Q))
            dweight = xp.sum(xp.matmul(dy, xp.matrix_transpose(columns)), axis=0)
            dweight = xp.astype(xp.reshape(dweight, shape), kind, copy=False)
        if needs[2]:
            dbias = xp.astype(xp.reshape(xp.sum(dy, axis=(0, 3)), (K,)), kind, copy=False)
        return dx, dweight, dbias
    return y, backward


def _filters(weight: Array, groups: int) -> Array:
    """The filters as one matrix a group: (groups, K/groups, C/groups R S)."""
    K, C, R, S = weight.shape
    return namespace_of(weight).reshape(widen(weight), (groups, K // groups, C * R * S))


def _columns(x: Array, kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair, groups: int, size: Pair) -> Array:
    """What the filters see ("im2col"): (N, groups, C/groups R S, P Q)."""
    (N, C, _, _), (R, S), (P, Q) = x.shape, kernel_size, size
    windows = unfold(pad(widen(x), padding), kernel_size, stride, dilation, size)
    return namespace_of(x).reshape(windows, (N, groups, C // groups * R * S, P * Q))
