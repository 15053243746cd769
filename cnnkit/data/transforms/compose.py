"""Compose: transforms one after the other, image by image or batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit import random
from cnnkit.data.contracts import BatchTransform, LabelMixing, PointwiseTransform, Transform
from cnnkit.data.transforms.random_transform import RandomTransform
from cnnkit.random import Key

__all__ = ["Compose", "batched_form"]


class Compose:
    """Apply transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callable
        Each takes one image and returns one: a transform of this package or of torchvision, a function, or
        one of Albumentations, which is given ``image=`` and asked for ``["image"]``. A batch is transformed
        at once if all of them can (`contracts.BatchTransform`). A random transform at index n also gets the
        labels, where there are any, and the key ``random.fold_in(key, n)``; so
        ``t(images, labels, key=key)`` augments a batch, if the other transforms take a batch too, as
        `Normalize` does.

    >>> import numpy
    >>> from cnnkit.data.transforms import Normalize, RandomHorizontalFlip, ToTensor
    >>> t = Compose([ToTensor(), Normalize(mean=0.5, std=0.5)])
    >>> t(numpy.full((2, 2), 255, "uint8")).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    >>> t = Compose([RandomHorizontalFlip(), Normalize(0.5, 0.5)])
    >>> images, labels = t(numpy.ones((2, 3, 8, 8)), [4, 1])
    >>> images.shape, labels
    ((2, 3, 8, 8), [4, 1])
    """

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms: list[Transform] = list(transforms)
        for part in self.transforms:
            if not callable(part):
                raise TypeError(f"Compose() takes a list of callables; {part!r} is none")

    def __call__(self, image: Any, labels: Any = None, *, key: Key | None = None) -> Any:
        for n, transform in enumerate(self.transforms):
            if not isinstance(transform, RandomTransform | Compose):
                image = _of_albumentations(transform, image) if _takes_names(transform) else transform(image)
                continue
            part_key = None if key is None else random.fold_in(key, n)
            if labels is None:
                image = transform(image, key=part_key)
            else:
                image, labels = transform(image, labels, key=part_key)
        return image if labels is None else (image, labels)

    def is_pointwise(self) -> bool:
        """Whether every part is pointwise: each value comes from one pixel's value of one channel."""
        return all(isinstance(part, PointwiseTransform) and part.is_pointwise() for part in self.transforms)

    def mixes_labels(self) -> bool:
        """Whether one of the parts makes probabilities of labels."""
        return any(transform.mixes_labels() for transform in self._mixing())

    def label_classes(self) -> int | None:
        """The number of classes that a part which mixes labels was given."""
        return next((n for transform in self._mixing() if (n := transform.label_classes()) is not None), None)

    def _mixing(self) -> list[LabelMixing]:
        return [transform for transform in self.transforms if isinstance(transform, LabelMixing)]

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


def _of_albumentations(transform: Any, image: Any) -> Any:
    return transform(image=image)["image"]


def _takes_names(transform: Any) -> bool:
    """Whether it is a transform of Albumentations, which takes and gives images by name."""
    return any(kind.__module__.partition(".")[0] == "albumentations" for kind in type(transform).__mro__)


def batched_form(transform: Transform) -> Callable[[Any], Any] | None:
    """A function that transforms many images at once; ``None`` where the transform or a part takes only one.

    >>> from cnnkit.data.transforms import ToTensor
    >>> [batched_form(Compose(parts)) is None for parts in ([ToTensor()], [ToTensor(), lambda image: image])]
    [False, True]
    """
    if not isinstance(transform, Compose):
        return transform.transform_batch if isinstance(transform, BatchTransform) else None
    forms = [form for part in transform.transforms if (form := batched_form(part)) is not None]
    if len(forms) < len(transform.transforms):
        return None

    def apply(images: Any) -> Any:
        for form in forms:
            images = form(images)
        return images

    return apply
