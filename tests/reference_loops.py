"""Convolution and pooling by definition: slow float64 loops over every pixel, written to be read."""

import itertools
import math

import numpy as np


def conv2d(x, weight, bias, dy, stride, padding, dilation, groups):
    """(y, dx, dweight, dbias) of a convolution, one multiplication at a time; ``dy`` may be None."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    (N, _, H, W), (K, Cg, R, S) = x.shape, weight.shape
    ((top, bottom), (left, right)), (sh, sw), (dh, dw) = padding, stride, dilation
    P = (H + top + bottom - dh * (R - 1) - 1) // sh + 1
    Q = (W + left + right - dw * (S - 1) - 1) // sw + 1
    y = np.zeros((N, K, P, Q))
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for n, k, p, q in np.ndindex(N, K, P, Q):
        for c, r, s in np.ndindex(Cg, R, S):
            h, w, channel = p * sh + r * dh - top, q * sw + s * dw - left, k // (K // groups) * Cg + c
            if 0 <= h < H and 0 <= w < W:
                y[n, k, p, q] += weight[k, c, r, s] * x[n, channel, h, w]
                if dy is not None:
                    dx[n, channel, h, w] += weight[k, c, r, s] * dy[n, k, p, q]
                    dweight[k, c, r, s] += x[n, channel, h, w] * dy[n, k, p, q]
    if bias is not None:
        y += np.asarray(bias, np.float64).reshape(1, K, 1, 1)
    return y, dx, dweight, None if dy is None else np.asarray(dy, np.float64).sum((0, 2, 3))


def length(n, k, s, before, after, d, ceil_mode):
    """How many windows fit along an axis."""
    count = (n + before + after - d * (k - 1) - 1) / s + 1
    if not ceil_mode:
        return math.floor(count)
    count = math.ceil(count)
    return count - 1 if (count - 1) * s >= n + before else count  # a last window starts in the image


def max_pool2d(x, dy, kernel_size, stride, padding, dilation, ceil_mode):
    """(y, flat indices, dx); a window's maximum is its first largest pixel, or its first NaN."""
    N, C, H, W = x.shape
    ((top, bottom), (left, right)), (sh, sw), (dh, dw) = padding, stride, dilation
    P = length(H, kernel_size[0], sh, top, bottom, dh, ceil_mode)
    Q = length(W, kernel_size[1], sw, left, right, dw, ceil_mode)
    y, indices, dx = np.full((N, C, P, Q), -np.inf), np.full((N, C, P, Q), -1), np.zeros(x.shape)
    for n, c, p, q in np.ndindex(N, C, P, Q):
        best = position = None
        for r, s in np.ndindex(*kernel_size):
            h, w = p * sh + r * dh - top, q * sw + s * dw - left
            if 0 <= h < H and 0 <= w < W:
                value = float(x[n, c, h, w])
                if position is None or (not math.isnan(best) and (value > best or math.isnan(value))):
                    best, position = value, (h, w)
        if position is not None:
            y[n, c, p, q], indices[n, c, p, q] = best, position[0] * W + position[1]
            if dy is not None:
                dx[n, c, *position] += dy[n, c, p, q]
    return y, indices, dx


def avg_pool2d(x, dy, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Output and gradient (y, dx)."""
    N, C, H, W = x.shape
    ((top, bottom), (left, right)), (sh, sw) = padding, stride
    P = length(H, kernel_size[0], sh, top, bottom, 1, ceil_mode)
    Q = length(W, kernel_size[1], sw, left, right, 1, ceil_mode)
    y, dx = np.zeros((N, C, P, Q)), np.zeros(x.shape)
    for p, q in np.ndindex(P, Q):
        window = [(p * sh + r - top, q * sw + s - left) for r, s in np.ndindex(*kernel_size)]
        inside = [(h, w) for h, w in window if 0 <= h < H and 0 <= w < W]
        padded = [(h, w) for h, w in window if -top <= h < H + bottom and -left <= w < W + right]
        divisor = divisor_override or len(padded if count_include_pad else inside)
        for (h, w), n, c in itertools.product(inside, range(N), range(C)):
            y[n, c, p, q] += x[n, c, h, w] / divisor
            if dy is not None:
                dx[n, c, h, w] += dy[n, c, p, q] / divisor
    return y, dx


def adaptive_pool2d(x, dy, output_size, kind):
    """Output and gradient (y, dx) for ``kind`` "avg" or "max"."""
    N, C, H, W = x.shape
    P, Q = (n if size is None else size for size, n in zip(output_size, (H, W)))
    y, dx = np.zeros((N, C, P, Q)), np.zeros(x.shape)
    for n, c, p, q in np.ndindex(N, C, P, Q):
        rows = range(math.floor(p * H / P), math.ceil((p + 1) * H / P))
        columns = range(math.floor(q * W / Q), math.ceil((q + 1) * W / Q))
        window = list(itertools.product(rows, columns))
        if kind == "avg":
            y[n, c, p, q] = sum(float(x[n, c, h, w]) for h, w in window) / len(window)
            for h, w in window:
                dx[n, c, h, w] += dy[n, c, p, q] / len(window)
        else:
            position = max(window, key=lambda hw: float(x[n, c, *hw]))  # max() keeps the first of equals
            y[n, c, p, q] = x[n, c, *position]
            dx[n, c, *position] += dy[n, c, p, q]
    return y, dx
