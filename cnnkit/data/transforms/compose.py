"""Compose: transforms one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit import random
from cnnkit.data.transforms.random_transform import RandomTransform
from cnnkit.random import Key

__all__ = ["Compose"]


class Compose:
    """Apply transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callable
        Each takes one image and returns one. The whole has a `batch` if each of them has. Random transforms are also given the
        labels, where there are any, and a key of their own, part n ``random.fold_in(key, n)``; so ``t(images, labels, key=key)``
        augments a batch, if the other transforms take one too, as `Normalize` does.

    >>> import numpy
    >>> from cnnkit.data.transforms import Normalize, RandomHorizontalFlip, ToTensor
    >>> t = Compose([ToTensor(), Normalize(mean=0.5, std=0.5)])
    >>> t(numpy.full((2, 2), 255, "uint8")).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    >>> images, labels = Compose([RandomHorizontalFlip(), Normalize(0.5, 0.5)])(numpy.ones((2, 3, 8, 8)), [4, 1])
    >>> images.shape, labels
    ((2, 3, 8, 8), [4, 1])
    """

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = list(transforms)
        for part in self.transforms:
            if not callable(part):
                raise TypeError(f"Compose() takes a list of callables; {part!r} is none")

    def __call__(self, image: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        for n, transform in enumerate(self.transforms):
            if not isinstance(transform, RandomTransform | Compose):
                image = transform(image)
                continue
            own = None if key is None else random.fold_in(key, n)
            if labels is None:
                image = transform(image, key=own)
            else:
                image, labels = transform(image, labels, key=own)
        return image if labels is None else (image, labels)

    @property
    def batch(self) -> Callable[[Any], Any] | None:
        """The batched form, or ``None`` where one of the parts has none."""
        parts: list[Any] = [getattr(transform, "batch", None) for transform in self.transforms]
        if not all(parts):
            return None

        def apply(images: Any) -> Any:
            for part in parts:
                images = part(images)
            return images

        return apply

    @property
    def pointwise(self) -> bool:
        """Whether every part is: each value comes from one pixel's value of one channel."""
        return all(getattr(transform, "pointwise", False) for transform in self.transforms)

    @property
    def mixes(self) -> bool:
        """Whether one of the parts makes probabilities of labels."""
        return any(getattr(transform, "mixes", False) for transform in self.transforms)

    @property
    def num_classes(self) -> int | None:
        """The number of classes that the parts which mix labels were told."""
        return next((n for transform in self.transforms if (n := getattr(transform, "num_classes", None)) is not None), None)

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"
