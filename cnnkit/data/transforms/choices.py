"""Transforms at random: all or none, one of several, or in random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name, namespace_of, on
from cnnkit.data.transforms.arrays import WHITE
from cnnkit.data.transforms.compose import Compose
from cnnkit.data.transforms.random_transform import RandomTransform, probability
from cnnkit.foreign import is_array, is_tensor
from cnnkit.random import Key

__all__ = ["RandomApply", "RandomChoice", "RandomOrder"]


class _Chosen(RandomTransform):
    """Transforms of which an image's random numbers choose some: a batch is changed image by image."""

    transforms: list[Callable[..., Any]]

    def __call__(self, images: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        key = random.next_key() if key is None else key
        if not is_array(images) or images.ndim != 4:
            (draw,) = self.draws(key, 1)
            return Compose(self.picked(draw))(images, labels, key=random.fold_in(key, 0))
        per_pixel = is_array(labels) and labels.ndim > 1  # masks, or probabilities
        changed, moved = [], []
        for n, draw in enumerate(self.draws(key, images.shape[0])):
            transform, part_key = Compose(self.picked(draw)), random.fold_in(key, n)
            if per_pixel:
                image, label = transform(images[n, ...], labels[n, ...], key=part_key)
                moved.append(label)
            else:
                image = transform(images[n, ...], key=part_key)
            changed.append(image)
        result = _stacked(changed) if changed else images
        return result if labels is None else (result, _stacked(moved) if moved else labels)

    def transform_batch(self, images: Any) -> Any:
        """Many images, or pictures (N, H, W) or (N, H, W, C), each with numbers of its own."""
        pictures = is_array(images) and not is_tensor(images) and dtype_name(images.dtype) in WHITE
        return _stacked([self(image) for image in images]) if pictures else self(images)

    def picked(self, draw: list[float]) -> list[Callable[..., Any]]:
        """The transforms that an image's numbers choose, in order."""
        raise NotImplementedError(f"{type(self).__name__} must define picked")

    def _take(self, transforms: Sequence[Callable]) -> list[Callable[..., Any]]:
        if not isinstance(transforms, Sequence) or not all(map(callable, transforms)) or not transforms:
            raise TypeError(f"{type(self).__name__}() takes a list of callables, got {transforms!r}")
        return list(transforms)


class RandomApply(_Chosen):
    """Apply all the transforms with probability `p`, or none.

    >>> import numpy
    >>> from cnnkit.data.transforms import RandomInvert
    >>> RandomApply([RandomInvert(p=1)], p=1.0)(numpy.zeros((1, 1, 1))).tolist()
    [[[1.0]]]
    """

    p: float
    transforms: list[Callable[..., Any]]

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5):
        self.transforms, self.p = self._take(transforms), probability("RandomApply", p)

    def picked(self, draw: list[float]) -> list[Callable[..., Any]]:
        return self.transforms if draw[0] < self.p else []


class RandomChoice(_Chosen):
    """Apply one of the transforms.

    Parameters
    ----------
    transforms : sequence of callable
    p : sequence of float, optional
        How likely each is, relative to the others; all alike by default.

    >>> import numpy
    >>> from cnnkit.data.transforms import RandomInvert
    >>> RandomChoice([RandomInvert(p=1), RandomInvert(p=0)], p=[1, 0])(numpy.zeros((1, 1, 1))).tolist()
    [[[1.0]]]
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None):
        self.transforms: list[Callable[..., Any]] = self._take(transforms)
        weights = [1.0] * len(self.transforms) if p is None else [float(weight) for weight in p]
        if len(weights) != len(self.transforms) or min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(f"RandomChoice(p={p}): give a number that is not negative for each of the "
                             f"{len(self.transforms)} transforms")
        self.p: list[float] | None = None if p is None else weights
        self._ends = [end / sum(weights) for end in accumulate(weights)]

    def picked(self, draw: list[float]) -> list[Callable[..., Any]]:
        place = next((n for n, end in enumerate(self._ends) if draw[0] < end), len(self._ends) - 1)
        return [self.transforms[place]]


class RandomOrder(_Chosen):
    """Apply the transforms in a random order.

    >>> import numpy
    >>> from cnnkit.data.transforms import RandomHorizontalFlip, RandomVerticalFlip
    >>> t = RandomOrder([RandomHorizontalFlip(p=1), RandomVerticalFlip(p=1)])
    >>> t(numpy.arange(4.0).reshape(1, 2, 2)).tolist()
    [[[3.0, 2.0], [1.0, 0.0]]]
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]):
        self.transforms: list[Callable[..., Any]] = self._take(transforms)

    @property
    def numbers(self) -> int:  # type: ignore[override]
        """One for each transform: they are applied in these numbers' order."""
        return len(self.transforms)

    def picked(self, draw: list[float]) -> list[Callable[..., Any]]:
        return [self.transforms[n] for _, n in sorted((u, n) for n, u in enumerate(draw))]


def _stacked(images: Sequence[Any]) -> Any:
    """Images, or their labels, as one array or Tensor."""
    arrays = [image.array if isinstance(image, Tensor) else image for image in images]
    with on(arrays[0]):
        stacked = namespace_of(arrays[0]).stack(arrays)
    return Tensor(stacked) if isinstance(images[0], Tensor) else stacked
