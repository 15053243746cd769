"""What happens to an image between its dataset and the network: torchvision's transforms, on one image or on a batch.

A *picture* is a uint8 array (H, W) or (H, W, C) of values 0 to 255, or a Pillow image; `ToTensor` makes it a float32
array (C, H, W), which is what the network and every other transform takes. A transform with a method `batch` also
takes many images at once, and the law is ``t.batch(images)[i] == t(images[i])``, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["Compose", "Normalize", "ToTensor"]

_BRIGHTEST = np.float32(255)


class Compose:
    """Apply transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callable
        Each takes one image and returns one. The whole has a `batch` if each of them has.

    >>> import numpy
    >>> t = Compose([ToTensor(), Normalize(mean=0.5, std=0.5)])
    >>> t(numpy.full((2, 2), 255, "uint8")).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = list(transforms)
        for part in self.transforms:
            if not callable(part):
                raise TypeError(f"Compose() takes a list of callables; {part!r} is none")

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    @property
    def batch(self) -> Callable[[Any], Any] | None:
        """The batched form, or ``None`` where one of the parts has none."""
        parts: list[Any] = [getattr(transform, "batch", None) for transform in self.transforms]
        if not all(parts):
            return None
        for n, (before, part) in enumerate(pairwise(self.transforms), 1):
            if isinstance(part, Normalize) and part.pointwise and getattr(before, "pointwise", False):
                parts[n] = part.batch_  # what came before has made a new array: nobody else has it

        def apply(images: Any) -> Any:
            for part in parts:
                images = part(images)
            return images

        return apply

    @property
    def pointwise(self) -> bool:
        """Whether every part is: each value comes from one pixel's value of one channel."""
        return all(getattr(transform, "pointwise", False) for transform in self.transforms)

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


class ToTensor:
    """Make a picture a float32 array (C, H, W) with values in [0, 1], as torchvision's transform of this name does.

    A uint8 picture (H, W) or (H, W, C), or a Pillow image, is divided by 255 and its channels move to the front. A
    float array is a tensor already: (H, W) becomes (1, H, W), (C, H, W) stays, values stay, the dtype becomes float32.
    (torchvision also moves the last axis of a float array; here float means channels first.)

    The result is a host array: `DataLoader` moves whole batches to the backend.

    Raises
    ------
    TypeError
        If the image is neither uint8, bool nor float.
    ValueError
        If it has neither two nor three axes.

    >>> import numpy
    >>> rgb = numpy.zeros((28, 56, 3), "uint8")
    >>> ToTensor()(rgb).shape, ToTensor().batch(rgb[None]).shape
    ((3, 28, 56), (1, 3, 28, 56))
    """

    @property
    def pointwise(self) -> bool:
        """Whether each value comes from one pixel's value of one channel: not so where a subclass says what a batch becomes."""
        return type(self).batch is ToTensor.batch

    def __call__(self, image: Any) -> np.ndarray:
        image = np.asarray(image)
        if image.ndim not in (2, 3):
            raise ValueError(f"ToTensor() takes an image (H, W) or (H, W, C), got an array of shape {image.shape}")
        return self.batch(image[None])[0]

    def batch(self, images: np.ndarray) -> np.ndarray:
        """The same for uint8 (N, H, W) or (N, H, W, C), or float (N, H, W) or (N, C, H, W): float32 (N, C, H, W)."""
        images = np.asarray(images)
        if images.ndim not in (3, 4):
            raise ValueError(f"ToTensor().batch takes (N, H, W) or four axes, got an array of shape {images.shape}")
        if images.dtype == np.uint8:
            images = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
            scaled = np.empty(images.shape, np.float32)  # in C order, however the pictures lie in memory
            np.divide(images, _BRIGHTEST, out=scaled)  # a product with 1/255 would round differently from torchvision
            images = scaled
        elif np.issubdtype(images.dtype, np.floating) or images.dtype == bool:
            images = images.astype(np.float32)
        else:
            raise TypeError(f"ToTensor() takes uint8 (0 to 255) or float images, got {images.dtype}; "
                            "scale them to 0..255 and use .astype('uint8')")
        return images[:, None] if images.ndim == 3 else images

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """Subtract the mean and divide by the standard deviation, channel by channel.

    Parameters
    ----------
    mean, std : float or sequence of float
        One value for all channels, or one for each.

    Raises
    ------
    ValueError
        If a standard deviation is not positive, or the image has another number of channels.

    >>> import numpy
    >>> Normalize(mean=(0.5, 0.0), std=(0.25, 1.0))(numpy.ones((2, 1, 1), "float32")).tolist()
    [[[2.0]], [[1.0]]]
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean = np.atleast_1d(np.asarray(mean, np.float32))
        self.std = np.atleast_1d(np.asarray(std, np.float32))
        if self.mean.ndim != 1 or self.std.ndim != 1 or not np.isfinite(self.mean).all():
            raise ValueError(f"Normalize() takes finite numbers, one or one per channel; got mean={mean}, std={std}")
        if not (np.isfinite(self.std) & (self.std > 0)).all():
            raise ValueError(f"Normalize(std={std}): images are divided by it, so it must be positive")
        if len({1, len(self.mean), len(self.std)}) > 2:
            raise ValueError(f"Normalize() got {len(self.mean)} means but {len(self.std)} standard deviations")

    @property
    def pointwise(self) -> bool:
        """Whether each value comes from one pixel's value of one channel: not so where a subclass says what a batch becomes."""
        return type(self).batch is Normalize.batch

    def __call__(self, image: Any) -> np.ndarray:
        return self.batch(np.asarray(image)[None])[0]

    def batch(self, images: np.ndarray) -> np.ndarray:
        """The same for a batch (N, C, H, W)."""
        self._check(images)
        return self._scaled(np.subtract(images, self.mean[:, None, None], dtype=np.float32))

    def batch_(self, images: np.ndarray) -> np.ndarray:
        """The same, written into a float32 batch."""
        self._check(images)
        return self._scaled(np.subtract(images, self.mean[:, None, None], out=images))

    def _scaled(self, centred: np.ndarray) -> np.ndarray:
        return np.divide(centred, self.std[:, None, None], out=centred)

    def _check(self, images: np.ndarray) -> None:
        channels = max(len(self.mean), len(self.std))
        if images.ndim != 4 or not np.issubdtype(images.dtype, np.floating):
            raise ValueError(f"Normalize() takes float images (C, H, W), got {images.dtype} of shape "
                             f"{images.shape[1:]}; put ToTensor() before it")
        if channels not in (1, images.shape[1]):
            raise ValueError(f"{self!r} is for {channels} channels, but an image of shape {images.shape[1:]} "
                             f"has {images.shape[1]}")

    def __repr__(self) -> str:
        return f"Normalize(mean={tuple(self.mean.tolist())}, std={tuple(self.std.tolist())})"
