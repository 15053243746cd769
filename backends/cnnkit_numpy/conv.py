"""Convolution in NumPy: windows copied to columns (im2col), then one matrix product for each image.

Images stay in C order (N, C, H, W) throughout. A product for each image writes just that; it was measured to
be as fast as one large product in (N, H, W, C) order at 64 channels and faster at few, and what follows
(bias, pooling, flattening) is faster by far. Depthwise convolution works the same way: adding up shifted
images was measured to be slower.
"""

from __future__ import annotations

import numpy as np

from cnnkit.backends import decline
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit_numpy.finite import finite
from cnnkit_numpy.window import Windows, room

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def conv2d(x, weight, bias, *, needs, **conv):
    """See `cnnkit.ops.conv.conv`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    if x.dtype not in FLOATS or 0 in x.shape or 0 in weight.shape:
        return decline(f"{x.dtype}, shapes {x.shape} and {weight.shape}; "
                       "it serves float32 and float64 that are not empty")
    groups, windows = conv["groups"], windows_of(x.shape, x.dtype, weight.shape, **conv)
    y = correlate(x, weight, bias, windows, groups)
    if not (needs[0] or needs[1] or needs[2]):
        return y, None
    shape = weight.shape
    x = x if needs[1] else None
    weight = weight if needs[0] else None

    def backward(dy):
        dy = np.ascontiguousarray(dy)  # the order of sums follows the layout in memory
        dx, dweight = both_gradients(x, weight, dy, windows, groups, shape)
        return dx, dweight, dy.sum(axis=(0, 2, 3)) if needs[2] else None
    return y, backward


def conv2d_input(dy, weight, *, needs, size, **conv):
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    shape = (len(dy), weight.shape[1] * conv["groups"], *size)
    if dy.dtype not in FLOATS or 0 in shape or 0 in dy.shape or 0 in weight.shape:
        return decline(f"{dy.dtype}, shapes {dy.shape} and {weight.shape}; "
                       "it serves float32 and float64 that are not empty")
    windows = windows_of(shape, dy.dtype, weight.shape, **conv)
    x, _ = both_gradients(None, weight, np.ascontiguousarray(dy), windows, conv["groups"], weight.shape)
    return x, conv_input_backward(dy, weight, needs, conv) if any(needs) else None


def conv2d_filters(x, dy, *, needs, kernel_size, **conv):
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    shape = (dy.shape[1], x.shape[1] // conv["groups"], *kernel_size)
    if x.dtype not in FLOATS or 0 in x.shape or 0 in dy.shape:
        return decline(f"{x.dtype}, shapes {x.shape} and {dy.shape}; "
                       "it serves float32 and float64 that are not empty")
    windows = windows_of(x.shape, x.dtype, shape, **conv)
    _, weight = both_gradients(x, None, np.ascontiguousarray(dy), windows, conv["groups"], shape)
    return weight, conv_filters_backward(x, dy, needs, conv) if any(needs) else None


def windows_of(x, dtype, weight, stride, padding, dilation, groups):
    """The windows of images of shape `x` for filters of shape `weight`."""
    (_, _, H, W), (K, Cg, R, S), (dh, dw) = x, weight, dilation
    (top, bottom), (left, right) = padding
    size = ((H + top + bottom - dh * (R - 1) - 1) // stride[0] + 1,
            (W + left + right - dw * (S - 1) - 1) // stride[1] + 1)
    return Windows(x, dtype, (R, S), stride, padding, dilation, size, Cg * R * S, K // groups)


def both_gradients(x, weight, dy, windows, groups, shape):
    """The input's gradient where `weight` is given, and the weight's where `x` is; `dy` is in C order."""
    K, Cg, R, S = shape
    (dh, dw), (rows, columns) = windows.dilation, windows.padding
    if (weight is not None and windows.stride == (1, 1) and R * S > 1 and 2 * groups * Cg >= K
            and max(rows) <= dh * (R - 1) and max(columns) <= dw * (S - 1)
            and finite(weight)):  # the zeros around dy, times infinity, would be NaN
        dx = correlate_turned(dy, weight, windows, groups)
        return dx, None if x is None else both_gradients(x, None, dy, windows, groups, shape)[1]
    if x is None and weight is None:
        return None, None
    if windows.wide and not all(a is None or finite(a) for a in (x, weight)):
        windows = windows.without_void_ones()  # whose zeros, times infinity, would be NaN
    return gradients(x, weight, dy, windows, groups, shape)


def correlate(x, weight, bias, windows, groups):
    """The output: filters times columns."""
    N, K, wide = len(x), len(weight), windows.wide
    y = np.empty((N, K, *windows.size), x.dtype)
    filters = weight.reshape(groups, K // groups, -1)
    columns = windows.columns()
    products = room("products", (windows.step, K, windows.length), x.dtype) if wide else y.reshape(N, K, -1)
    for part in windows.blocks():
        matrix = columns(x[part])
        n = len(matrix)
        product = products[:n] if wide else products[part]
        np.matmul(filters, matrix.reshape(n, groups, -1, windows.length),
                  out=product.reshape(n, groups, -1, windows.length))
        if bias is not None:
            np.add(windows.valid(product), bias.reshape(-1, 1, 1), out=y[part])
        elif wide:
            y[part] = windows.valid(product)
    return y


def correlate_turned(dy, weight, windows, groups):
    """The input's gradient at stride 1: the output's, correlated with the filters turned by 180 degrees.

    Copies K R S numbers for each pixel where `gradients` adds C R S to memory; measured to be faster
    up to K = 2 C.
    """
    K, Cg, R, S = weight.shape
    (P, Q), (dh, dw), (_, _, H, W) = windows.size, windows.dilation, windows.shape
    by_group = weight.reshape(groups, K // groups, Cg, R, S)
    turned = by_group[..., ::-1, ::-1].swapaxes(1, 2).reshape(groups * Cg, -1, R, S)
    top, left = dh * (R - 1) - windows.inside[2].start, dw * (S - 1) - windows.inside[3].start
    padding = (top, H + dh * (R - 1) - P - top), (left, W + dw * (S - 1) - Q - left)
    backward_windows = Windows(dy.shape, dy.dtype, (R, S), (1, 1), padding, windows.dilation,
                               (H, W), K // groups * R * S, Cg)
    return correlate(dy, turned, None, backward_windows, groups)


def gradients(x, weight, dy, windows, groups, shape):
    """The input's gradient where `weight` is given, and the weight's where `x` is."""
    C, K, rows, length = windows.shape[1], shape[0], windows.rows // groups, windows.length
    dx: np.ndarray | None = None
    dweight = None
    spread = windows.spreader(K)
    if weight is not None:
        dx = np.empty(windows.shape, dy.dtype)
        filters = weight.reshape(groups, K // groups, rows).swapaxes(1, 2)
        fold = windows.folder()
        dcolumns = room("column gradients", (windows.step, groups, rows, length), dy.dtype)
    if x is not None:
        dweight = np.zeros((groups, K // groups, rows), dy.dtype)
        columns = windows.columns()
    for part in windows.blocks():
        d = spread(dy[part])
        n = len(d)
        d = d.reshape(n, groups, K // groups, length)
        if x is not None:
            matrix = columns(x[part]).reshape(n, groups, rows, length)
            dweight += np.matmul(d, matrix.swapaxes(2, 3)).sum(axis=0)
        if weight is not None and dx is not None:
            fold(np.matmul(filters, d, out=dcolumns[:n]).reshape(n, C, -1, length), dx[part])
    return dx, None if dweight is None else dweight.reshape(shape)
