"""Random flips: images mirrored left to right or top to bottom (guide: "rotation, flipping, cropping")."""

from __future__ import annotations

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import chosen
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, probability
from cnnkit.random import Key

__all__ = ["RandomHorizontalFlip", "RandomVerticalFlip"]


class RandomHorizontalFlip(RandomTransform):
    """Mirror an image left to right, with probability `p`.

    >>> import numpy
    >>> images = numpy.asarray([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
    >>> RandomHorizontalFlip(p=1)(images)[:, 0, 0].tolist()
    [[2.0, 1.0], [4.0, 3.0]]
    """

    moves_pixels: bool = True
    axis = 3

    def __init__(self, p: float = 0.5):
        self.p: float = probability(type(self).__name__, p)

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        return chosen(x, [draw < self.p for (draw,) in draws], namespace_of(x).flip(x, axis=self.axis))


class RandomVerticalFlip(RandomHorizontalFlip):
    """Turn an image upside down, with probability `p`.

    >>> import numpy
    >>> RandomVerticalFlip(p=1)(numpy.asarray([[[1.0], [2.0]]]))[0, :, 0].tolist()
    [2.0, 1.0]
    """

    axis = 2
