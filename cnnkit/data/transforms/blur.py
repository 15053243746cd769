"""Gaussian blur of random width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import moved
from cnnkit.data.transforms.crop import window
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, between
from cnnkit.foreign import plain
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["GaussianBlur"]


class GaussianBlur(RandomTransform):
    """Blur an image with a Gaussian; at its edges the image is mirrored.

    Parameters
    ----------
    kernel_size : int or (across, down)
        Pixels of the filter, odd.
    sigma : number or (low, high)
        The Gaussian's deviation is drawn between these.

    Raises
    ------
    ValueError
        If a number is even, not positive, or half the filter is as large as the image.

    >>> import numpy
    >>> image = numpy.zeros((1, 5, 5))
    >>> image[0, 2, 2] = 1
    >>> GaussianBlur(3, sigma=1.0)(image)[0, 2].round(3).tolist()
    [0.0, 0.124, 0.204, 0.124, 0.0]
    """

    moves_pixels: bool = False
    kernel_size: tuple[int, int]
    sigma: tuple[float | int, float | int]

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)):
        kernel_size, sigma = plain(kernel_size), plain(sigma)
        sizes = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) != 2 or any(size < 1 or size % 2 == 0 for size in sizes):
            raise ValueError(f"GaussianBlur(kernel_size={kernel_size}): give an odd number of pixels, or two")
        bounds = (sigma, sigma) if isinstance(sigma, int | float) else tuple(sigma)
        if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1] < math.inf:
            raise ValueError(f"GaussianBlur(sigma={sigma}): give a number above 0, "
                             "or two with the smaller one first")
        self.kernel_size, self.sigma = (sizes[0], sizes[1]), (bounds[0], bounds[1])

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp, dtype = namespace_of(x), x.dtype
        N, _, H, W = x.shape
        across, down = self.kernel_size
        right, below = across // 2, down // 2
        x = widen(window(self, x, [[-below] * N, [-right] * N], (H + 2 * below, W + 2 * right),
                         (below, right), mode="reflect"))
        sigmas = [between(*self.sigma, draw) for (draw,) in draws]
        weights = self._weights(x, across, sigmas)
        x = sum(weights[:, n:n + 1, ...] * x[..., n:n + W] for n in range(across))
        weights = self._weights(x, down, sigmas)
        x = sum(weights[:, n:n + 1, ...] * x[:, :, n:n + H, :] for n in range(down))
        return xp.astype(x, dtype, copy=False)

    @staticmethod
    def _weights(x: Array, size: int, sigmas: list[float]) -> Array:
        """Each image's filter along one axis, (N, size, 1, 1)."""
        flat = []
        for sigma in sigmas:
            row = [math.exp(-0.5 * ((n - size // 2) / sigma) ** 2) for n in range(size)]
            flat += [value / sum(row) for value in row]
        return namespace_of(x).reshape(moved(flat, x), (len(sigmas), size, 1, 1))
