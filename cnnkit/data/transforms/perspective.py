"""Random perspective: an image seen from an angle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import chosen, moved, numbered
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, probability
from cnnkit.data.transforms.sampling import checked_interpolation, sample
from cnnkit.ops.dtypes import widen
from cnnkit.random import Key

__all__ = ["RandomPerspective", "perspective_coefficients"]

Corners = Sequence[Sequence[float]]  # (x, y) of upper left, upper right, lower right, lower left


class RandomPerspective(RandomTransform):
    """Move the four corners of an image inwards, each on its own, with probability `p`.

    Parameters
    ----------
    distortion_scale : float
        From 0 to 1: how far a corner moves at most, in halves of the image.
    p : float
        The probability that an image is changed.
    interpolation : {"bilinear", "nearest"}
        How values are read between pixels.
    fill : number, or sequence of C numbers
        The value outside the image.

    >>> import numpy
    >>> RandomPerspective(p=1)(numpy.ones((3, 20, 20)), key=(0, 0)).shape
    (3, 20, 20)
    """

    numbers = 9
    moves_pixels: bool = True
    distortion_scale: float
    p: float

    def __init__(self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: str = "bilinear",
                 fill: float | Sequence[float] = 0):
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"RandomPerspective(distortion_scale={distortion_scale}): "
                             "give a number from 0 to 1")
        self.distortion_scale, self.p = distortion_scale, probability("RandomPerspective", p)
        self.interpolation: str = checked_interpolation("RandomPerspective", interpolation)
        self.fill = fill

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp = namespace_of(x)
        N, _, H, W = x.shape
        dtype = widen(x[:0, ...]).dtype
        flat = [number for draw in draws for number in perspective_coefficients(
            [(0, 0), (W - 1, 0), (W - 1, H - 1), (0, H - 1)], self.corners(H, W, draw))]
        numbers = xp.reshape(moved(flat, x, dtype), (N, 8, 1, 1))
        a, b, c, d, e, f, g, h = (numbers[:, n, ...] for n in range(8))
        across, down = numbered(W, x, dtype), xp.reshape(numbered(H, x, dtype), (H, 1))
        scale = g * across + h * down + 1
        scale = xp.where(scale == 0, xp.full_like(scale, 1e-6), scale)  # far outside the image
        ys, xs = (d * across + e * down + f) / scale, (a * across + b * down + c) / scale
        changed = sample(self, x, ys, xs, self.interpolation, self.fill)
        return chosen(x, [draw[0] < self.p for draw in draws], changed)

    def corners(self, H: int, W: int, draw: list[float]) -> list[tuple[int, int]]:
        """Where an image's random numbers move its corners to."""
        across, down = (int(self.distortion_scale * (n // 2)) + 1 for n in (W, H))
        x = [math.floor(u * across) for u in draw[1:5]]
        y = [math.floor(u * down) for u in draw[5:9]]
        return [(x[0], y[0]), (W - 1 - x[1], y[1]), (W - 1 - x[2], H - 1 - y[2]), (x[3], H - 1 - y[3])]


def perspective_coefficients(start: Corners, end: Corners) -> list[float]:
    """The map of the result's pixels to the image's that takes the corners `end` to `start`.

    It is x' = (a x + b y + c) / (g x + h y + 1), y' = (d x + e y + f) / (g x + h y + 1), as a ... h.

    >>> square = [(0, 0), (4, 0), (4, 4), (0, 4)]
    >>> [round(n, 6) for n in perspective_coefficients(square, [(x + 1, y) for x, y in square])]
    [1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    rows = []
    for (u, v), (x, y) in zip(start, end):
        rows.append([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u])
        rows.append([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v])
    for n in range(8):  # Gauss and Jordan
        best = max(range(n, 8), key=lambda i: abs(rows[i][n]))
        if abs(rows[best][n]) < 1e-12:
            return [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]  # corners in one line, of images of one pixel
        rows[n], rows[best] = rows[best], rows[n]
        rows[n] = [value / rows[n][n] for value in rows[n]]
        rows = [row if i == n else [p - row[n] * q for p, q in zip(row, rows[n])]
                for i, row in enumerate(rows)]
    return [row[8] + 0.0 for row in rows]
