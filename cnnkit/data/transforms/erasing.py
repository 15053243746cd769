"""Random erasing: covers a rectangle of the image (Zhong et al. 2017, "Random erasing data augmentation")."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnkit import random
from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import moved, numbered, of_channels
from cnnkit.data.transforms.random_transform import Draws, RandomTransform, between, probability
from cnnkit.foreign import plain
from cnnkit.random import Key

__all__ = ["RandomErasing"]

TRIES = 10  # for a rectangle that is smaller than the image, as many as torchvision makes


class RandomErasing(RandomTransform):
    """Cover a rectangle of random size, shape and place, with probability `p`.

    Parameters
    ----------
    p : float
        The probability that an image loses a rectangle.
    scale : (low, high)
        The rectangle's share of the image's area.
    ratio : (low, high)
        Its height over its width, drawn evenly in its logarithm.
    value : number, sequence of C numbers, or "random"
        The values that cover it; ``"random"`` means normal noise, which is drawn on the host and moved.
    inplace : bool
        Only ``False``: images are never written.

    >>> import numpy
    >>> erased = RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1))(numpy.ones((1, 1, 4, 4)), key=(0, 0))
    >>> erased[0, 0].tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]
    """

    numbers = 2 * TRIES + 3
    moves_pixels: bool = False
    p: float
    ratio: tuple[float, float]
    scale: tuple[float, float]
    value: float | int | str | tuple[float, ...]
    alone: bool
    inplace: bool

    def __init__(self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33),
                 ratio: Sequence[float] = (0.3, 3.3), value: float | Sequence[float] | str = 0,
                 inplace: bool = False):
        if inplace:
            raise ValueError("RandomErasing(inplace=True): images are never written here; leave it out")
        if len(scale) != 2 or not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing(scale={scale}): give two shares of the area from 0 to 1, "
                             "the smaller one first")
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1] < math.inf:
            raise ValueError(f"RandomErasing(ratio={ratio}): give two numbers above 0, the smaller one first")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing(value={value!r}): "
                             "give a number, one for each channel, or 'random'")
        self.p, value = probability("RandomErasing", p), plain(value)
        self.scale, self.ratio = (scale[0], scale[1]), (ratio[0], ratio[1])
        self.value = value if isinstance(value, str | int | float) else tuple(value)
        self.inplace, self.alone = inplace, value != "random"

    def change(self, x: Array, draws: Draws, key: Key) -> Array:
        xp, (H, W) = namespace_of(x), x.shape[2:]
        if isinstance(self.value, str):
            cover = random.normal(random.fold_in(key, 0), tuple(x.shape), dtype=x.dtype, like=x)
        else:
            cover = of_channels(self, self.value, x)
        return xp.where(rectangles(x, [self.rectangle(H, W, row) for row in draws]), cover, x)

    def rectangle(self, H: int, W: int, draw: list[float]) -> tuple[int, int, int, int]:
        """The rectangle that an image's random numbers choose: top, left, bottom, right; empty for none."""
        chance, *tries, down, across = draw
        if chance >= self.p:
            return 0, 0, 0, 0
        for share, shape in zip(tries[::2], tries[1::2]):
            area = H * W * between(*self.scale, share)
            ratio = math.exp(between(math.log(self.ratio[0]), math.log(self.ratio[1]), shape))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if height < H and width < W:
                top, left = math.floor(down * (H - height + 1)), math.floor(across * (W - width + 1))
                return top, left, top + height, left + width
        return 0, 0, 0, 0


def rectangles(x: Array, edges: Sequence[tuple[int, int, int, int]]) -> Array:
    """Where each image's rectangle (top, left, bottom, right) is: an array of bool, (N, 1, H, W)."""
    xp = namespace_of(x)
    N, _, H, W = x.shape
    index = numbered(1, x).dtype
    numbers = xp.reshape(moved([edge for rectangle in edges for edge in rectangle], x, index), (N, 4, 1, 1))
    rows, columns = xp.reshape(numbered(H, x), (1, H, 1)), xp.reshape(numbered(W, x), (1, 1, W))
    inside = ((rows >= numbers[:, 0, ...]) & (rows < numbers[:, 2, ...])
              & (columns >= numbers[:, 1, ...]) & (columns < numbers[:, 3, ...]))
    return xp.expand_dims(inside, axis=1)
