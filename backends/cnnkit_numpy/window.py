"""Windows of NumPy images as strided views: padding, columns for a matrix product (im2col), their gradient.

Everything works on a few images at a time, so that what is written is still in the cache when it is read, in
memory that the next images and the next calls use again: fresh memory costs a page fault for every 4 KiB,
several times more than writing it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

# bytes of columns at a time: what an L2 cache holds (measured: half and twice as much are slower)
BLOCK = 1 << 20
# how many times more columns a wide layout may have; beyond, products cost more than copies save
WASTE = 1.2

KEPT = 1 << 23   # bytes: larger rooms are freed after use
_rooms = threading.local()


def room(purpose: str, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """Memory to work in, with anything in it, until this thread asks for room for the same purpose again."""
    nbytes = prod(shape) * np.dtype(dtype).itemsize
    if nbytes > KEPT:
        return np.empty(shape, dtype)
    buffer = _rooms.__dict__.get(purpose)
    if buffer is None or buffer.nbytes < nbytes:
        buffer = _rooms.__dict__[purpose] = np.empty(nbytes, np.uint8)
    return buffer[:nbytes].view(dtype).reshape(shape)


class Windows:
    """All windows of images (N, C, H, W), for a few images at a time.

    At stride 1 the windows may be laid out *wide*: where a row of the padded image is Wp long, so is a row of
    windows, and the last Wp - Q in it are void (they wrap around to the next row). An element of all windows
    is then one long slice of the image, which copies several times faster than a slice for each row.

    Parameters
    ----------
    shape, dtype
        Of the images: ``(N, C, H, W)``.
    kernel_size, stride, padding, dilation
        Canonical: pairs, and for the padding a pair of pairs.
    size : pair of int
        ``(P, Q)``: how many windows there are.
    inputs, outputs : int
        The length of a column and how many outputs it gives: void windows are costly with many outputs.

    Attributes
    ----------
    rows : int
        Length of a column, ``C R S``.
    length : int
        Number of columns of an image: ``P Q``, or with void ones ``(P - 1) Wp + Q``.
    step : int
        How many images are worked on at a time; depends on nothing but the parameters.
    """

    def __init__(self, shape: tuple, dtype: np.dtype, kernel_size: tuple, stride: tuple, padding: tuple,
                 dilation: tuple, size: tuple, inputs: int, outputs: int):
        N, C, H, W = shape
        ((top, bottom), (left, right)), (R, S), (P, Q) = padding, kernel_size, size
        self.shape, self.dtype = shape, dtype
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.size, self.padding = size, padding
        self.padded = (H + top + bottom, W + left + right)
        self.inside = (slice(None), slice(None), slice(top, top + H), slice(left, left + W))
        self.pads = self.padded != (H, W)
        length = (P - 1) * self.padded[1] + Q
        self.wide = stride == (1, 1) and inputs > 4 * outputs and P * Q < length < WASTE * P * Q
        self.length = length if self.wide else P * Q
        self.plain = stride == (1, 1) and kernel_size == (1, 1)  # the columns are the padded images
        self.rows = C * R * S
        self.step = max(1, min(N, BLOCK // (self.rows * self.length * dtype.itemsize)))

    def without_void_ones(self) -> Windows:
        """The same windows, not laid out wide."""
        return Windows(self.shape, self.dtype, self.kernel_size, self.stride, self.padding, self.dilation,
                       self.size, inputs=0, outputs=1)

    def blocks(self) -> Iterator[slice]:
        """The runs of images to work on at a time."""
        return (slice(start, start + self.step) for start in range(0, self.shape[0], self.step))

    def padder(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function that gives some images with their padding, each of them C-contiguous."""
        if not self.pads:
            return np.ascontiguousarray
        images = room("padded images", (self.step, self.shape[1], *self.padded), self.dtype)
        images.fill(0)

        def pad(x: np.ndarray) -> np.ndarray:
            part = images[:len(x)]
            part[self.inside] = x
            return part
        return pad

    def columns(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function from some images to their columns (n, C R S, length)."""
        pad = self.padder()
        if self.plain:
            return lambda x: pad(x).reshape(len(x), self.rows, self.length)
        C, (dh, dw), (sh, sw) = self.shape[1], self.dilation, self.stride
        shape = (C, *self.kernel_size, *((self.length,) if self.wide else self.size))
        buffer = room("columns", (self.step, *shape), self.dtype)

        def columns(x: np.ndarray) -> np.ndarray:
            x, part = pad(x), buffer[:len(x)]
            n, c, h, w = x.strides
            ends = (w,) if self.wide else (h * sh, w * sw)
            part[...] = as_strided(x, part.shape, (n, c, h * dh, w * dw, *ends))
            return part.reshape(len(x), self.rows, self.length)
        return columns

    def valid(self, a: np.ndarray) -> np.ndarray:
        """The windows of a contiguous array (n, K, length) without the void ones: a view (n, K, P, Q)."""
        if not self.wide:
            return a.reshape(*a.shape[:2], *self.size)
        n, k, item = a.strides
        return as_strided(a, (*a.shape[:2], *self.size), (n, k, self.padded[1] * item, item))

    def spreader(self, channels: int) -> Callable[[np.ndarray], np.ndarray]:
        """A function from gradients (n, K, P, Q) of some images to (n, K, length), 0 for void windows."""
        if not self.wide:
            return lambda dy: dy.reshape(*dy.shape[:2], self.length)
        buffer = room("gradients", (self.step, channels, self.length), self.dtype)
        buffer.fill(0)

        def spread(dy: np.ndarray) -> np.ndarray:
            part = buffer[:len(dy)]
            self.valid(part)[...] = dy
            return part
        return spread

    def folder(self) -> Callable[[np.ndarray, np.ndarray], None]:
        """A function that adds windows (n, C, R S, length) to images (n, C, H, W): `columns`'s gradient."""
        images = (room("folded images", (self.step, self.shape[1], *self.padded), self.dtype)
                  if self.pads else None)
        (R, S), (dh, dw), (sh, sw), (P, Q) = self.kernel_size, self.dilation, self.stride, self.size

        def fold(windows: np.ndarray, out: np.ndarray) -> None:
            if self.plain and images is None:
                out[...] = windows.reshape(out.shape)
                return
            total = out if images is None else images[:len(out)]
            total[...] = 0
            flat = total.reshape(*total.shape[:2], -1)
            for t in range(R * S):
                r, s = t // S * dh, t % S * dw
                if self.wide:
                    start = r * self.padded[1] + s
                    flat[:, :, start:start + self.length] += windows[:, :, t]
                else:
                    part = windows[:, :, t].reshape(*total.shape[:2], P, Q)
                    total[:, :, r:r + (P - 1) * sh + 1:sh, s:s + (Q - 1) * sw + 1:sw] += part
            if images is not None:
                out[...] = total[self.inside]
        return fold
