"""Convolution and the linear map by loops: the ground truth for the family of `conv`, and for `linear`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["conv", "conv_filters", "conv_filters_gradients",
           "conv_gradients", "conv_input", "conv_input_gradients",
           "linear", "linear_gradients"]

Array = np.ndarray
Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def output_size(size: Sizes, kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes) -> Sizes:
    """floor((n + before + after - dilation * (kernel - 1) - 1) / stride) + 1, along each axis."""
    return tuple((n + sum(pads) - d * (k - 1) - 1) // s + 1
                 for n, k, s, pads, d in zip(size, kernel_size, stride, padding, dilation))


def products(x: Sizes, weight: Sizes, stride: Sizes, padding: Pads, dilation: Sizes,
             groups: int) -> Iterator[tuple]:
    """Which element of x meets which weight in which output: all (output, input, weight) positions
    inside the image.

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
    """Y[n, k, p, q] = b[k] + the sum over c, r, s of X[n, c, h, w] W[k, c, r, s]; guide, "The
    convolution".
    """
    places = output_size(x.shape[2:], weight.shape[2:],
                         *(window[name] for name in ("stride", "padding", "dilation")))
    y = np.zeros((x.shape[0], weight.shape[0], *places))
    for at_y, at_x, at_w in products(x.shape, weight.shape, **window):
        y[at_y] += x[at_x] * weight[at_w]
    if bias is not None:
        for place in np.ndindex(y.shape):
            y[place] += bias[place[1]]
    return y


def conv_gradients(dy: Array, x: Array, weight: Array, bias: Array | None, **window: Any) -> tuple:
    """dX and dW: each product's other factor times dY, added up. db[k]: dY added up over n, p, q."""
    dx = conv_input(dy, weight, size=x.shape[2:], **window)
    dw = conv_filters(x, dy, kernel_size=weight.shape[2:], **window)
    if bias is None:
        return dx, dw, None
    db = np.zeros(bias.shape)
    for place in np.ndindex(dy.shape):
        db[place[1]] += dy[place]
    return dx, dw, db


def conv_input(dy: Array, weight: Array, *, size: Sizes, **window: Any) -> Array:
    """dX[n, c, h, w] = the sum of dY[n, k, p, q] W[k, c, r, s] over all products that X[n, c, h, w]
    has a part in.
    """
    dx = np.zeros((dy.shape[0], weight.shape[1] * window["groups"], *size))
    for at_y, at_x, at_w in products(dx.shape, weight.shape, **window):
        dx[at_x] += dy[at_y] * weight[at_w]
    return dx


def conv_input_gradients(d: Array, dy: Array, weight: Array, *, size: Sizes, **window: Any) -> tuple:
    """Each product's other factor times what comes back to its dX."""
    ddy, dw = np.zeros(dy.shape), np.zeros(weight.shape)
    for at_y, at_x, at_w in products(d.shape, weight.shape, **window):
        ddy[at_y] += d[at_x] * weight[at_w]
        dw[at_w] += d[at_x] * dy[at_y]
    return ddy, dw


def conv_filters(x: Array, dy: Array, *, kernel_size: Sizes, **window: Any) -> Array:
    """dW[k, c, r, s] = the sum of dY[n, k, p, q] X[n, c, h, w] over all products that W[k, c, r, s]
    has a part in.
    """
    dw = np.zeros((dy.shape[1], x.shape[1] // window["groups"], *kernel_size))
    for at_y, at_x, at_w in products(x.shape, dw.shape, **window):
        dw[at_w] += dy[at_y] * x[at_x]
    return dw


def conv_filters_gradients(d: Array, x: Array, dy: Array, *, kernel_size: Sizes, **window: Any) -> tuple:
    """Each product's other factor times what comes back to its dW."""
    dx, ddy = np.zeros(x.shape), np.zeros(dy.shape)
    for at_y, at_x, at_w in products(x.shape, d.shape, **window):
        dx[at_x] += d[at_w] * dy[at_y]
        ddy[at_y] += d[at_w] * x[at_x]
    return dx, ddy


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Y[..., k] = b[k] + the sum over c of X[..., c] W[k, c]."""
    y = np.zeros((*x.shape[:-1], weight.shape[0]))
    for *rest, k in np.ndindex(y.shape):
        y[(*rest, k)] = 0.0 if bias is None else bias[k]
        for c in range(weight.shape[1]):
            y[(*rest, k)] += x[(*rest, c)] * weight[k, c]
    return y


def linear_gradients(dy: Array, x: Array, weight: Array, bias: Array | None) -> tuple:
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
