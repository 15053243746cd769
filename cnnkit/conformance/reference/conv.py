"""Convolution and the linear map by loops: the ground truth for `conv2d` and `linear`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["conv2d", "conv2d_gradients", "linear", "linear_gradients"]

Array = np.ndarray
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def output_size(size: Pair, kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair) -> Pair:
    """floor((n + before + after - dilation * (kernel - 1) - 1) / stride) + 1, along each axis."""
    P, Q = ((n + sum(pads) - d * (k - 1) - 1) // s + 1
            for n, k, s, pads, d in zip(size, kernel_size, stride, padding, dilation))
    return P, Q


def products(x: Array, weight: Array, stride: Pair, padding: Pads, dilation: Pair, groups: int) -> Iterator[tuple]:
    """Which element of x meets which weight in which output: all (output, input, weight) positions inside the image."""
    (N, _, H, W), (K, C_group, R, S) = x.shape, weight.shape
    P, Q = output_size((H, W), (R, S), stride, padding, dilation)
    (top, _), (left, _) = padding
    for n, k, p, q in np.ndindex(N, K, P, Q):
        group = k // (K // groups)
        for c, r, s in np.ndindex(C_group, R, S):
            h = p * stride[0] - top + r * dilation[0]
            w = q * stride[1] - left + s * dilation[1]
            if 0 <= h < H and 0 <= w < W:
                yield (n, k, p, q), (n, group * C_group + c, h, w), (k, c, r, s)


def conv2d(x: Array, weight: Array, bias: Array | None, *, stride: Pair, padding: Pads, dilation: Pair, groups: int) -> Array:
    """Y[n, k, p, q] = b[k] + the sum over c, r, s of X[n, c, h, w] W[k, c, r, s]; guide, "The convolution"."""
    P, Q = output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.zeros((x.shape[0], weight.shape[0], P, Q))
    for at_y, at_x, at_w in products(x, weight, stride, padding, dilation, groups):
        y[at_y] += x[at_x] * weight[at_w]
    if bias is not None:
        for n, k, p, q in np.ndindex(y.shape):
            y[n, k, p, q] += bias[k]
    return y


def conv2d_gradients(dy: Array, x: Array, weight: Array, bias: Array | None, *, stride: Pair, padding: Pads, dilation: Pair,
                     groups: int) -> tuple:
    """dX and dW: each product's other factor times dY, added up. db[k]: dY added up over n, p, q."""
    dx, dw = np.zeros(x.shape), np.zeros(weight.shape)
    for at_y, at_x, at_w in products(x, weight, stride, padding, dilation, groups):
        dx[at_x] += dy[at_y] * weight[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    if bias is None:
        return dx, dw, None
    db = np.zeros(bias.shape)
    for n, k, p, q in np.ndindex(dy.shape):
        db[k] += dy[n, k, p, q]
    return dx, dw, db


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
