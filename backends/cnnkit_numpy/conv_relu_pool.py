"""Convolution, ReLU and max pooling in one go, for few channels: the full-size activation is never written.

The columns are ordered by *phase*: the place of an output in its pooling window. After the matrix product
each phase is one contiguous array, and the maximum over windows is a maximum of whole arrays. ReLU of the
maximum is the maximum of ReLU, so it comes last. One byte for each window keeps the phase of its maximum, or
that ReLU made it 0. A row of ones among the columns adds the bias, and gives its gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cnnkit.backends import decline
from cnnkit.ops import OPS
from cnnkit.ops.rank import by_rank_2
from cnnkit_numpy.conv import FLOATS
from cnnkit_numpy.finite import finite
from cnnkit_numpy.pool import MASKS
from cnnkit_numpy.window import BLOCK, room

CHAIN = [OPS[name] for name in ("conv", "relu", "max_pool")]
STOPPED = 0x80  # added to the byte of a window that ReLU stopped: no phase has that number


def conv2d_relu_max_pool2d(x, weight, bias, *others, needs, calls):
    """``conv``, then ``relu``, then ``max_pool`` with windows side by side."""
    if [call.op for call in calls] != CHAIN:
        return decline("it serves conv with ReLU and max pooling")
    if x.ndim != 4:
        return by_rank_2(conv2d_relu_max_pool2d, (x, weight, bias), needs, {"calls": calls})
    conv, _, pool = (call.attrs for call in calls)
    groups, kernel = conv["groups"], pool["kernel_size"]
    (_, _, H, W), (K, Cg, R, S) = x.shape, weight.shape
    if (needs[0] or x.dtype not in FLOATS or 0 in x.shape or 0 in weight.shape or pool["stride"] != kernel
            or pool["padding"] != ((0, 0), (0, 0)) or pool["dilation"] != (1, 1)
            or kernel[0] * kernel[1] > STOPPED
            # with many channels, wide columns and separate kernels are faster
            or Cg * R * S > 4 * K // groups):
        return decline("it serves float32 and float64 images of few channels that need no gradient, and "
                       "pooling windows side by side without padding")
    outputs = [(n + sum(pads) - d * (k - 1) - 1) // s + 1 for n, pads, d, k, s in
               zip((H, W), conv["padding"], conv["dilation"], (R, S), conv["stride"])]
    size = outputs[0] // kernel[0], outputs[1] // kernel[1]
    if 0 in size or (pool["ceil_mode"] and outputs != [size[0] * kernel[0], size[1] * kernel[1]]):
        return decline(f"pooling windows of {kernel} do not fit a convolution's output of {tuple(outputs)}")
    if (True in needs and outputs != [size[0] * kernel[0], size[1] * kernel[1]] and not finite(x)):
        return decline("outputs in no pooling window, whose gradient 0 is multiplied by infinity or NaN")
    phases = Phases(x, weight, bias, conv, kernel, size)
    y, winner = phases.forward(needs[1] or needs[2])
    if winner is None:
        return y, None
    if np.isnan(y.min()):
        return decline("the result holds NaN")  # the single kernels know which NaN is the first

    def backward(dy):
        dweight, dbias = phases.weight_gradients(dy, winner)
        return None, dweight if needs[1] else None, dbias if needs[2] else None
    return y, backward


class Phases:
    """A convolution with outputs ordered by their place in the pooling windows, some images at a time."""

    def __init__(self, x, weight, bias, conv, kernel, size):
        self.x, self.shape, self.kernel, self.size = x, weight.shape, kernel, size
        self.groups, self.stride, self.dilation, self.padding = (
            conv[n] for n in ("groups", "stride", "dilation", "padding"))
        self.rows = self.shape[1] * self.shape[2] * self.shape[3]
        filters = weight.reshape(self.groups, -1, self.rows)
        self.ones = bias is not None
        if self.ones:
            filters = np.concatenate([filters, bias.reshape(self.groups, -1, 1)], axis=2)
        self.filters = filters
        self.windows, self.count = size[0] * size[1], kernel[0] * kernel[1]
        nbytes = self.groups * filters.shape[2] * self.count * self.windows * x.dtype.itemsize
        self.step = max(1, min(len(x), BLOCK // nbytes))

    def blocks(self):
        """The runs of images to work on at a time, and a function from a run to its columns.

        Columns have the shape (n, groups, rows, phases * windows).
        """
        (N, C, H, W), ((top, bottom), (left, right)) = self.x.shape, self.padding
        (_, Cg, R, S), (kh, kw), (P, Q), G = self.shape, self.kernel, self.size, self.groups
        padded = room("padded images", (self.step, C, H + top + bottom, W + left + right), self.x.dtype)
        padded.fill(0)
        buffer = room("columns", (self.step, G, self.rows + self.ones, kh, kw, P, Q), self.x.dtype)
        buffer[:, :, self.rows:].fill(1)
        main = buffer[:, :, :self.rows].reshape(self.step, G, Cg, R, S, kh, kw, P, Q)
        n, c, h, w = padded.strides
        (sh, sw), (dh, dw) = self.stride, self.dilation
        patches = as_strided(padded, main.shape,
                             (n, c * Cg, c, h * dh, w * dw, h * sh, w * sw, h * sh * kh, w * sw * kw))

        def columns(part):
            x = self.x[part]
            padded[:len(x), :, top:top + H, left:left + W] = x
            main[:len(x)] = patches[:len(x)]
            return buffer[:len(x)].reshape(len(x), G, self.rows + self.ones, -1)
        return (slice(start, start + self.step) for start in range(0, N, self.step)), columns

    def forward(self, keep):
        """The output; and with `keep` the phase of each window's maximum, else None."""
        N, K = len(self.x), self.shape[0]
        y = np.empty((N, K, self.windows), self.x.dtype)
        winner = np.zeros(y.shape, np.uint8) if keep else None
        products = room("products",
                        (self.step, self.groups, K // self.groups, self.count * self.windows), self.x.dtype)
        blocks, columns = self.blocks()
        for part in blocks:
            best = y[part]
            z = np.matmul(self.filters, columns(part),
                          out=products[:len(best)]).reshape(len(best), K, self.count, self.windows)
            best[...] = z[:, :, 0]
            for phase in range(1, self.count):
                if winner is not None:
                    larger = (z[:, :, phase] > best).view(np.uint8)
                    # phases come in ascending order: the maximum is the last phase that was larger
                    np.maximum(winner[part], larger * np.uint8(phase), out=winner[part])
                np.maximum(best, z[:, :, phase], out=best)
            np.maximum(best, 0, out=best)
            if winner is not None:
                winner[part] |= (best == 0).view(np.uint8) * np.uint8(STOPPED)
        return y.reshape(N, K, *self.size), winner

    def weight_gradients(self, dy, winner):
        """The gradients of weight and bias (None without one)."""
        N, K, G = len(dy), self.shape[0], self.groups
        mask_type = MASKS[dy.dtype]
        bits = dy.reshape(N, K, self.windows).view(mask_type)
        buffer = room("gradients", (self.step, K, self.count, self.windows), dy.dtype)
        total = np.zeros((G, K // G, self.rows + self.ones), dy.dtype)
        blocks, columns = self.blocks()
        for part in blocks:
            matrix = columns(part)
            dz = buffer[:len(matrix)]
            for phase in range(self.count):
                mask = np.negative((winner[part] == phase).view(np.int8), dtype=mask_type)
                np.bitwise_and(bits[part], mask, out=dz[:, :, phase].view(mask_type))
            total += np.matmul(dz.reshape(len(matrix), G, K // G, -1), matrix.swapaxes(2, 3)).sum(axis=0)
        dweight, dbias = (np.ascontiguousarray(part) for part in (total[:, :, :self.rows], total[:, :, -1]))
        return dweight.reshape(self.shape), dbias.reshape(K) if self.ones else None
