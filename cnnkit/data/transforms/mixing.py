"""MixUp and CutMix: each image is mixed with the one before it, and its label with that one's label."""

from __future__ import annotations

import math
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.backends import Array, dtype_name, namespace_of, on
from cnnkit.data.transforms.arrays import batched, moved, numbered
from cnnkit.data.transforms.erasing import rectangles
from cnnkit.data.transforms.random_transform import Draws, RandomTransform
from cnnkit.foreign import is_array
from cnnkit.ops.dtypes import is_floating, is_integer, widen
from cnnkit.random import Key

__all__ = ["CutMix", "MixUp"]

Edges = tuple[int, int, int, int]


class MixUp(RandomTransform):
    """Mix each image of a batch with the one before it, and the labels alike (Zhang et al. 2017).

    ``t(images, labels)`` takes class indices (N,) or probabilities (N, classes) and gives probabilities,
    which `cross_entropy` takes as targets. The image's own share is drawn from Beta(alpha, alpha).

    Parameters
    ----------
    alpha : float
        1 draws every share with the same probability; towards 0 one of the two images dominates.
    num_classes : int, optional
        How many classes there are; needed for class indices.

    Notes
    -----
    As torchvision's, but each image has a share of its own; torchvision draws one for the batch. The first
    image's partner is the last one; a batch of one image stays what it is. A class index outside 0 ...
    num_classes - 1 makes the image's probabilities NaN, because raising would wait for the device.

    Raises
    ------
    ValueError, TypeError
        If the images are no batch, or the labels are neither class indices nor probabilities.

    References
    ----------
    The share: Devroye, "Random variate generation in one line of code", Winter Simulation Conference 1996.

    >>> import numpy
    >>> images = numpy.asarray([0.0, 1.0]).reshape(2, 1, 1, 1)
    >>> images, labels = MixUp(num_classes=2)(images, numpy.asarray([0, 1]), key=(0, 0))
    >>> bool((images[:, 0, 0, 0] == labels[:, 1]).all())
    True
    """

    numbers = 2
    alpha: float
    num_classes: int | None

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None):
        if not 0 < alpha < math.inf:
            raise ValueError(f"{type(self).__name__}(alpha={alpha}): alpha must be a finite number above 0")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"{type(self).__name__}(num_classes={num_classes}): "
                             "there must be at least one class")
        self.alpha, self.num_classes = alpha, num_classes

    def mixes_labels(self) -> bool:
        return True

    def label_classes(self) -> int | None:
        return self.num_classes

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        key = random.next_key() if key is None else key
        if is_array(images) and images.ndim != 4:
            raise ValueError(f"{self!r} mixes the images of a batch (N, C, H, W), "
                             f"got shape {tuple(images.shape)}")
        shares: list[float] = []

        def mix(x: Array) -> Array:
            mixed, kept = self.mixed(x, self.draws(key, x.shape[0]))
            shares.extend(kept)
            return mixed

        mixed = batched(self, images, mix)
        return mixed if labels is None else (mixed, self._probabilities(labels, shares, mixed))

    def transform_batch(self, images: Any) -> Any:
        """The same: a batch is taken as it is; pictures are refused."""
        return self(images)

    def mixed(self, x: Array, draws: Draws) -> tuple[Array, list[float]]:
        """The images (N, C, H, W) mixed, and the share that each keeps."""
        xp, dtype = namespace_of(x), x.dtype
        shares = [self.share(*row) for row in draws]
        x = widen(x)
        kept = xp.reshape(moved(shares, x), (len(shares), 1, 1, 1))
        return xp.astype(x * kept + previous(x) * (1 - kept), dtype, copy=False), shares

    def share(self, u: float, v: float) -> float:
        """A number from Beta(alpha, alpha), made of two uniform ones."""
        power = min(-math.log(u) / self.alpha, 700.0)
        odds = math.expm1(power) * math.cos(2 * math.pi * v) ** 2
        deviation = 0.5 / math.sqrt(1 + 1 / odds) if odds > 0 else 0.0
        return 0.5 + math.copysign(deviation, math.cos(2 * math.pi * v))

    def _probabilities(self, labels: Any, shares: list[float], images: Any) -> Any:
        target = labels.array if isinstance(labels, Tensor) else labels
        pixels = images.array if isinstance(images, Tensor) else images
        with on(target):
            xp = namespace_of(target)
            if is_integer(target.dtype) and target.ndim == 1:
                if self.num_classes is None:
                    raise ValueError(f"{self!r} makes probabilities of class indices and must know how many "
                                     "classes there are; give num_classes=")
                target = self._one_hot(target, pixels.dtype)
            elif not is_floating(target.dtype) or target.ndim != 2:
                raise TypeError(f"{self!r} takes labels (N,) of class indices or (N, classes) of "
                                f"probabilities, got {dtype_name(target.dtype)} "
                                f"of shape {tuple(target.shape)}")
            if target.shape[0] != len(shares):
                raise ValueError(f"{self!r} got {len(shares)} images but labels of shape "
                                 f"{tuple(target.shape)}")
            kept = xp.reshape(moved(shares, target), (len(shares), 1))
            mixed = target * kept + previous(target) * (1 - kept)
        return Tensor(mixed) if isinstance(labels, Tensor) else mixed

    def _one_hot(self, labels: Array, dtype: Any) -> Array:
        xp = namespace_of(labels)
        column = xp.expand_dims(xp.astype(labels, numbered(1, labels).dtype), axis=1)
        valid = (column >= 0) & (column < self.num_classes)
        one_hot = xp.astype(column == numbered(self.num_classes or 0, labels), dtype)
        return xp.where(valid, one_hot, xp.full_like(one_hot, math.nan))


class CutMix(MixUp):
    """Cover a rectangle of each image by the previous one's, and mix the labels by area (Yun et al. 2019).

    Parameters and labels are those of `MixUp`; the share is drawn from Beta(alpha, alpha), and is then what
    the image keeps of its area. As torchvision's, but each image has a rectangle of its own; torchvision
    draws one for the batch.

    >>> import numpy
    >>> images = numpy.stack([numpy.zeros((1, 8, 8)), numpy.ones((1, 8, 8))])
    >>> mixed, labels = CutMix(num_classes=2)(images, numpy.asarray([0, 1]), key=(0, 0))
    >>> bool((mixed.mean(axis=(1, 2, 3)) == labels[:, 1]).all())
    True
    """

    numbers = 4

    def mixed(self, x: Array, draws: Draws) -> tuple[Array, list[float]]:
        xp = namespace_of(x)
        H, W = x.shape[2:]
        edges = [self.rectangle(H, W, row) for row in draws]
        kept = [1 - (bottom - top) * (right - left) / (H * W) for top, left, bottom, right in edges]
        return xp.where(rectangles(x, edges), previous(x), x), kept

    def rectangle(self, H: int, W: int, draw: list[float]) -> Edges:
        """The rectangle that an image's random numbers choose: top, left, bottom, right."""
        u, v, down, across = draw
        half_side = 0.5 * math.sqrt(1 - self.share(u, v))
        y, x = math.floor(down * H), math.floor(across * W)
        half_height, half_width = int(half_side * H), int(half_side * W)
        return (max(y - half_height, 0), max(x - half_width, 0),
                min(y + half_height, H), min(x + half_width, W))


def previous(x: Array) -> Array:
    """Each element of the first axis replaced by the one before it; the first by the last."""
    return namespace_of(x).roll(x, 1, axis=0)
