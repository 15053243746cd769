"""InputFormat: what a network's inputs were in training, kept with the network so that prediction repeats it.

`train.fit` takes it from its data and sets it as the model's ``input_format``; `models.save_model` writes it
to the settings. `evaluate`, `predict` and the command line prepare their images by it, and say where those
differ from what the network has learnt from.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from cnnkit.data import description
from cnnkit.data.dataset import ArrayDataset, Subset
from cnnkit.data.datasets import ImageFolder
from cnnkit.data.preprocessing import Preprocessing
from cnnkit.data.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
from cnnkit.data.transforms.random_transform import RandomTransform

__all__ = ["InputFormat", "InputWarning", "say_unscaled"]

BRIGHT = 16  # floats that go further, and none below 0, are pixels that nobody has scaled to 0..1
APART = 50  # how many times wider or narrower a range is no longer the same kind of numbers
PREVIEW = 256  # stored images whose range is looked at
DEPTH = 4095  # the brightest of 12 bits
FEW = 64  # so few numbers do not show the range of their images


class InputWarning(UserWarning):
    """Images that are not what a network is made for, or not what it has learnt from."""


@dataclass(frozen=True)
class InputFormat:
    """What a network has learnt from.

    Attributes
    ----------
    shape : tuple of int
        Of one input, (C, H, W) of an image.
    low, high : float
        The least and the greatest number of the first batch, as the network got it.
    mean, std : tuple of float, or None
        What pictures that are scaled to [0, 1] are normalised with, 0 and 1 if nothing; ``None`` where code
        that nobody can repeat did it.
    classes : tuple of str or None
        The names of the classes.
    resize : int, (height, width) or None
        What pictures were resized to before their middle was cut out; ``None`` where they were resized to
        `shape`, or not at all.
    channel_order : {"RGB", "BGR"}
        In which order the network got the channels.
    of_weights : bool
        Whether the network began with weights that want this: then training, too, normalises pictures so.

    >>> from cnnkit.data import datasets
    >>> digits = datasets.digits()
    >>> InputFormat.of(digits.batch(range(32))[0], digits).as_dict()["shape"]
    [1, 8, 8]
    """

    shape: tuple[int, ...]
    low: float
    high: float
    mean: tuple[float, ...] | None = (0.0,)
    std: tuple[float, ...] | None = (1.0,)
    classes: tuple[str, ...] | None = None
    resize: int | tuple[int, int] | None = None
    channel_order: str = "RGB"
    of_weights: bool = False

    @classmethod
    def of(cls, batch: np.ndarray, dataset: Any = None) -> Self:
        """The format of a batch (N, ...) of training, and of the dataset that it comes from.

        Of a dataset whose images are known without drawing or decoding any, the range does not depend on the
        batch, so that a resumed run finds the same.
        """
        stored = _stored(dataset)
        low, high = _range(batch if stored is None else stored)
        mean, std = _normalisation(dataset, low, high)
        resize, order = (None, "RGB") if mean is None else _of_pictures(dataset)
        return cls(tuple(batch.shape[1:]), low, high, mean, std, description.class_names(dataset), resize,
                   order)

    @classmethod
    def of_dataset(cls, dataset: Any) -> Self | None:
        """The format of what a dataset will give, where that is known without drawing or decoding images."""
        stored, whole = _stored(dataset), _whole(dataset)
        if stored is None:
            return None
        if isinstance(whole, ArrayDataset):
            shape = whole.data.shape[1:] if whole.data.ndim == 4 else (1, *whole.data.shape[1:])
        else:
            shape = (1 if whole.mode == "L" else 3, *whole.image_size)
        return cls.of(np.empty((1, *shape), np.float32), dataset)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `from_dict` reads them."""
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The format that `as_dict` gave.

        Raises
        ------
        ValueError
            If the values are no format.

        >>> InputFormat.from_dict(InputFormat((1, 8, 8), 0.0, 1.0).as_dict()).shape
        (1, 8, 8)
        """
        try:
            mean, std, classes = values["mean"], values["std"], values["classes"]
            resize = values.get("resize")
            read = cls(tuple(int(n) for n in values["shape"]), float(values["low"]), float(values["high"]),
                       None if mean is None else tuple(map(float, mean)),
                       None if std is None else tuple(map(float, std)),
                       None if classes is None else tuple(map(str, classes)),
                       (int(resize[0]), int(resize[1])) if isinstance(resize, list) else resize,
                       values.get("channel_order", "RGB"), bool(values.get("of_weights", False)))
            read.preprocessing()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no format of a network's inputs ({type(error).__name__}: {error})") from None
        return read

    @property
    def channels(self) -> int | None:
        """The number of channels of an image; ``None`` where inputs are no images."""
        return self.shape[0] if len(self.shape) == 3 else None

    def transform(self) -> Compose | Preprocessing | None:
        """What pictures of the right size go through, where that is more than the scaling to [0, 1]."""
        if self.mean is None or self.std is None:
            return None
        if self.channel_order != "RGB":
            return Preprocessing(None, None, self.mean, self.std, self.channel_order)
        if (set(self.mean), set(self.std)) == ({0.0}, {1.0}):
            return None
        return Compose([ToTensor(), Normalize(self.mean, self.std)])

    def normalises_as(self, other: InputFormat) -> bool:
        """Whether pictures are normalised alike, as far as both say."""
        return (self.mean, self.std, self.channel_order) == (other.mean, other.std, other.channel_order)

    def preprocessing(self) -> Preprocessing:
        """What pictures of any size go through, their resizing included."""
        crop = None if self.resize is None or len(self.shape) != 3 else (self.shape[1], self.shape[2])
        return Preprocessing(self.resize, crop, self.mean or (0.0,), self.std or (1.0,), self.channel_order)

    def check_channels(self, shape: Sequence[int]) -> None:
        """Raise ValueError if a batch of images (N, C, H, W) has other channels than those of training."""
        here = tuple(shape[1:])
        if len(here) != 3 or self.channels in (None, here[0]):
            return
        fix = {(1, 3): "repeat the gray channel three times, as Pillow's convert('RGB') does",
               (3, 1): "make them gray, as Pillow's convert('L') does",
               (4, 3): "leave out alpha, as Pillow's convert('RGB') does"}
        single = ("; one image becomes a batch with image[None]"
                  if tuple(shape) == (self.channels, 1, *self.shape[1:]) else "")
        raise ValueError(f"the images have {_channels(here[0])} (shape {here}), but the network has learnt "
                         f"from images of {_channels(self.shape[0])} {self.shape}; "
                         + fix.get((here[0], self.shape[0]), f"give images of {self.shape}") + single)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Compare the shape of a batch; another size is a warning, other channels an error.

        Raises
        ------
        ValueError
            If images have another number of channels.
        """
        self.check_channels(shape)
        here = tuple(shape[1:])
        if here == self.shape or len(here) != 3 or self.channels is None:
            return
        _warn(f"the images are {here[1]} x {here[2]} pixels, but the network has learnt from images of "
              f"{self.shape[1]} x {self.shape[2]}; resize them")

    def check_range(self, batch: np.ndarray) -> None:
        """Warn where the numbers of a batch of images lie elsewhere than those of training."""
        low, high = _range(batch)
        if batch.ndim != 4 or len(self.shape) != 3 or batch.size < FEW or not low < high:
            return
        problem, spread, learnt = "", high - low, self.high - self.low
        if self.low >= 0 and self.high > BRIGHT and low >= 0 and high <= 1:
            problem = "multiply them by 255 if that is what training had"
        elif self.high <= BRIGHT < high and low >= 0:
            problem = "divide them by 255, or give them as uint8"
        elif self.low < -0.1 and low >= 0:
            problem = "normalise them as for training (transforms.Normalize)"
        elif self.low >= 0 and low < -0.25 * (self.high - self.low):
            problem = "leave out the normalisation, which training did without"
        elif learnt > 0 and not 1 / APART < spread / learnt < APART:
            problem = f"{'divide' if spread > learnt else 'multiply'} them as for training, and only once"
        if problem:
            _warn(f"the images hold numbers from {low:.4g} to {high:.4g}, but the network has learnt from "
                  f"numbers from {self.low:.4g} to {self.high:.4g}; {problem}")


def say_unscaled(learnt: InputFormat, dataset: Any = None) -> None:
    """Warn of training images whose pixels are floats like 0..255, or of 8 to 12 bits in uint16."""
    dataset = _whole(dataset)
    if isinstance(dataset, ArrayDataset) and dataset.data.dtype == np.uint16:
        brightest = int(dataset.data.max())
        if brightest <= DEPTH:
            white = 255 if brightest <= 255 else DEPTH
            _warn(f"the uint16 images go up to {brightest}, and are divided by 65535, which leaves them "
                  f"dark: divide them by their own white, as in images / numpy.float32({white})")
    if len(learnt.shape) == 3 and learnt.low >= 0 and learnt.high > BRIGHT:
        top = 255 if learnt.high <= 255 else 65535 if learnt.high <= 65535 else f"{learnt.high:.4g}"
        instead = ", or give them as uint8, which is scaled" if top == 255 else ""
        _warn(f"the images hold floats from {learnt.low:.4g} to {learnt.high:.4g}, and networks learn best "
              f"from 0 to 1: divide them by {top}{instead}; they are taken as they are")


def _warn(message: str) -> None:
    """Warn at the line outside cnnkit that called it."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("cnnkit."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, InputWarning, stacklevel=level)


def _channels(count: int) -> str:
    names = {1: "1 channel, gray", 3: "3 channels, RGB", 4: "4 channels, RGB and alpha"}
    return names.get(count, f"{count} channels")


def _range(batch: np.ndarray) -> tuple[float, float]:
    """The least and the greatest number; NaN and infinity are left to `checks.check_images`."""
    if not batch.size:
        return 0.0, 0.0
    low, high = float(batch.min()), float(batch.max())
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 0.0)


def _whole(dataset: Any) -> Any:
    """The dataset that a `Subset` takes its samples from."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def _first(dataset: ArrayDataset) -> np.ndarray:
    return dataset.stored_batch(range(min(PREVIEW, len(dataset))))[0]


def _stored(dataset: Any) -> np.ndarray | None:
    """Numbers with the range of what a dataset gives, where its class and transform are cnnkit's."""
    dataset = _whole(dataset)
    if not isinstance(dataset, ArrayDataset | ImageFolder):
        return None
    mean, std = _of_transform(dataset.transform)
    if mean is None:
        return None
    if isinstance(dataset, ImageFolder):
        unit = np.array([0.0, 1.0])
    elif dataset.data.dtype.kind == "u":
        unit = _first(dataset) / np.float64(np.iinfo(dataset.data.dtype).max)
    else:
        unit = np.asarray(_first(dataset), np.float64)
    ends = unit.min(), unit.max()
    return np.stack([(end - np.asarray(mean)) / np.asarray(std) for end in ends])


def _normalisation(dataset: Any, low: float, high: float) -> tuple[Any, Any]:
    """What makes of pictures scaled to [0, 1] what a dataset gives: mean and deviation, or ``None`` twice."""
    dataset = _whole(dataset)
    if isinstance(dataset, ImageFolder):
        return _of_transform(dataset.transform)
    if isinstance(dataset, ArrayDataset) and dataset.data.dtype.kind == "u":
        return _of_transform(dataset.transform)
    if low >= 0 and high > BRIGHT:
        top = 255 if high <= 255 else 65535
        return (0.0,), (1 / top,)
    return ((0.0,), (1.0,)) if low >= 0 else (None, None)


def _of_transform(transform: Any) -> tuple[Any, Any]:
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    for part in _parts(transform):
        if isinstance(part, Normalize | Preprocessing):
            if (mean, std) != ((0.0,), (1.0,)):
                return None, None
            mean, std = part.of_unit() if isinstance(part, Preprocessing) else (part.mean, part.std)
        elif part is not None and not isinstance(part, ToTensor | RandomTransform):
            return None, None
    return mean, std


def _of_pictures(dataset: Any) -> tuple[Any, str]:
    """What a dataset resizes pictures to before it cuts out their middle, and its order of channels."""
    dataset = _whole(dataset)
    parts = _parts(dataset.transform) if isinstance(dataset, ArrayDataset | ImageFolder) else []
    resize, cropped, order = None, False, "RGB"
    for part in parts:
        if isinstance(part, Preprocessing):
            resize, cropped, order = part.resize, part.crop is not None, part.channel_order
        elif isinstance(part, Resize):
            resize = part.size
        cropped = cropped or isinstance(part, CenterCrop)
    return resize if cropped else None, order


def _parts(transform: Any) -> list[Any]:
    return list(transform.transforms) if isinstance(transform, Compose) else [transform]
