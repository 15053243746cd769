"""Convolution and the linear map by loops: the ground truth for the family of `conv`, and for `linear`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["conv", "conv_filters", "conv_filters_gradients", "conv_gradients", "conv_input",
           "conv_input_gradients", "fold", "fold_gradients", "linear", "linear_gradients", "unfold",
           "unfold_gradients"]

Array = np.ndarray
Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def output_size(size: Sizes, kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes) -> Sizes:
    """floor((n + before + after - dilation * (kernel - 1) - 1) / stride) + 1, along each axis."""
    return tuple((n + sum(pads) - d * (k - 1) - 1) // s + 1
                 for n, k, s, pads, d in zip(size, kernel_size, stride, padding, dilation))


def products(x: Sizes, weight: Sizes, stride: Sizes, padding: Pads, dilation: Sizes,
             groups: int) -> Iterator[tuple[Any, ...]]:
    """All (output, input, weight) index triples whose product x * weight is a term of the output.

    `x` and `weight` are shapes, (N, C, H, W) and (K, C/groups, R, S), or with any other number of spatial
    axes.
    """
    (N, _, *size), (K, C_group, *kernel_size) = x, weight
    places = output_size(tuple(size), tuple(kernel_size), stride, padding, dilation)
    for n, k, *p in np.ndindex(N, K, *places):
        group = k // (K // groups)
        for c, *r in np.ndindex(C_group, *kernel_size):
            h = [p[i] * stride[i] - padding[i][0] + r[i] * dilation[i] for i in range(len(size))]
            if all(0 <= pixel < length for pixel, length in zip(h, size)):
                yield (n, k, *p), (n, group * C_group + c, *h), (k, c, *r)


def conv(x: Array, weight: Array, bias: Array | None, **window: Any) -> Array:
    """Y[n, k, p, q] = b[k] + sum over c, r, s of X[n, c, h, w] W[k, c, r, s]; guide, "The convolution"."""
    places = output_size(x.shape[2:], weight.shape[2:],
                         *(window[name] for name in ("stride", "padding", "dilation")))
    y = np.zeros((x.shape[0], weight.shape[0], *places))
    for y_index, x_index, w_index in products(x.shape, weight.shape, **window):
        y[y_index] += x[x_index] * weight[w_index]
    if bias is not None:
        for position in np.ndindex(y.shape):
            y[position] += bias[position[1]]
    return y


def conv_gradients(dy: Array, x: Array, weight: Array, bias: Array | None, **window: Any) -> tuple[Any, ...]:
    """dX and dW: each product's other factor times dY, added up. db[k]: dY added up over n, p, q."""
    dx = conv_input(dy, weight, size=x.shape[2:], **window)
    dw = conv_filters(x, dy, kernel_size=weight.shape[2:], **window)
    if bias is None:
        return dx, dw, None
    db = np.zeros(bias.shape)
    for position in np.ndindex(dy.shape):
        db[position[1]] += dy[position]
    return dx, dw, db


def conv_input(dy: Array, weight: Array, *, size: Sizes, **window: Any) -> Array:
    """dX[n, c, h, w] = the sum of dY[n, k, p, q] W[k, c, r, s] over all products with X[n, c, h, w]."""
    dx = np.zeros((dy.shape[0], weight.shape[1] * window["groups"], *size))
    for y_index, x_index, w_index in products(dx.shape, weight.shape, **window):
        dx[x_index] += dy[y_index] * weight[w_index]
    return dx


def conv_input_gradients(d: Array, dy: Array, weight: Array, *, size: Sizes, **window: Any) -> tuple[Any,
                         ...]:
    """Each product's other factor times what comes back to its dX."""
    ddy, dw = np.zeros(dy.shape), np.zeros(weight.shape)
    for y_index, x_index, w_index in products(d.shape, weight.shape, **window):
        ddy[y_index] += d[x_index] * weight[w_index]
        dw[w_index] += d[x_index] * dy[y_index]
    return ddy, dw


def conv_filters(x: Array, dy: Array, *, kernel_size: Sizes, **window: Any) -> Array:
    """dW[k, c, r, s] = the sum of dY[n, k, p, q] X[n, c, h, w] over all products with W[k, c, r, s]."""
    dw = np.zeros((dy.shape[1], x.shape[1] // window["groups"], *kernel_size))
    for y_index, x_index, w_index in products(x.shape, dw.shape, **window):
        dw[w_index] += dy[y_index] * x[x_index]
    return dw


def conv_filters_gradients(d: Array, x: Array, dy: Array, *, kernel_size: Sizes, **window: Any) -> tuple[Any,
                           ...]:
    """Each product's other factor times what comes back to its dW."""
    dx, ddy = np.zeros(x.shape), np.zeros(dy.shape)
    for y_index, x_index, w_index in products(x.shape, d.shape, **window):
        dx[x_index] += d[w_index] * dy[y_index]
        ddy[y_index] += d[w_index] * x[x_index]
    return dx, ddy


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y[..., k] = b[k] + the sum over c of X[..., c] W[k, c]."""
    y = np.zeros((*x.shape[:-1], weight.shape[0]))
    for *rest, k in np.ndindex(y.shape):
        y[(*rest, k)] = 0.0 if bias is None else bias[k]
        for c in range(weight.shape[1]):
            y[(*rest, k)] += x[(*rest, c)] * weight[k, c]
    return y


def linear_gradients(dy: Array, x: Array, weight: Array, bias: Array | None) -> tuple[Any, ...]:
    """dX = dY W, dW = the sum of dY X over all rows, db = the sum of dY over all rows."""
    dx, dw = np.zeros(x.shape), np.zeros(weight.shape)
    db = None if bias is None else np.zeros(bias.shape)
    for *rest, k in np.ndindex(dy.shape):
        for c in range(weight.shape[1]):
            dx[(*rest, c)] += dy[(*rest, k)] * weight[k, c]
            dw[k, c] += dy[(*rest, k)] * x[(*rest, c)]
        if db is not None:
            db[k] += dy[(*rest, k)]
    return dx, dw, db


# -- windows as columns: a convolution with filters that each take one number of a window --------------------

def single(channels: int, kernel_size: Sizes) -> Array:
    """The filters of each channel, of which each is 1 at one place: (C R S, 1, R, S)."""
    pixels = int(np.prod(kernel_size))
    return np.tile(np.eye(pixels).reshape(pixels, 1, *kernel_size), (channels, 1, *(1,) * len(kernel_size)))


def unfold(x: Array, *, kernel_size: Sizes, **window: Any) -> Array:
    """Column p holds the numbers of window p, channel by channel."""
    columns = conv(x, single(x.shape[1], kernel_size), None, groups=x.shape[1], **window)
    return columns.reshape(*columns.shape[:2], -1) if columns.size else np.zeros(
        (*columns.shape[:2], int(np.prod(columns.shape[2:]))))


def unfold_gradients(d: Array, x: Array, **window: Any) -> tuple[Any, ...]:
    """Each number gets what comes back from all windows that hold it."""
    return (fold(d, size=x.shape[2:], **window),)


def fold(columns: Array, *, size: Sizes, kernel_size: Sizes, **window: Any) -> Array:
    """Each pixel is the sum of the numbers of all windows that cover it."""
    channels = columns.shape[1] // int(np.prod(kernel_size))
    places = output_size(size, kernel_size, *(window[name] for name in ("stride", "padding", "dilation")))
    dy = columns.reshape(*columns.shape[:2], *places)
    return conv_input(dy, single(channels, kernel_size), size=size, groups=channels, **window)


def fold_gradients(dx: Array, columns: Array, *, size: Sizes, **window: Any) -> tuple[Any, ...]:
    """Each number of a window gets what comes back to its pixel."""
    return (unfold(dx, **window),)
