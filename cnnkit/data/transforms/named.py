"""Random transforms by name, as ``fit(augment="flip,crop=4")`` and ``cnnkit train --augment`` take them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import NamedTuple

from cnnkit.data.transforms.affine import RandomAffine, RandomRotation
from cnnkit.data.transforms.color import ColorJitter
from cnnkit.data.transforms.compose import Compose
from cnnkit.data.transforms.crop import RandomCrop, RandomResizedCrop
from cnnkit.data.transforms.erasing import RandomErasing
from cnnkit.data.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from cnnkit.data.transforms.mixing import CutMix, MixUp
from cnnkit.data.transforms.random_transform import RandomTransform

__all__ = ["NAMES", "named", "numbers_by_name"]


class Named(NamedTuple):
    """A transform by name: what its number means, the default, and a maker (number, (C, H, W), classes)."""

    number: str
    default: float | None
    make: Callable[[float, tuple[int, ...], int | None], RandomTransform]


def _padding(pixels: float, shape: tuple[int, ...]) -> int:
    """The number of pixels; by default (NaN) an eighth of the image's shorter side, 4 of 32."""
    return math.ceil(min(shape[1:]) / 8) if math.isnan(pixels) else int(pixels)


NAMES: dict[str, Named] = {
    "flip": Named("probability", 0.5, lambda p, shape, n: RandomHorizontalFlip(p)),
    "vflip": Named("probability", 0.5, lambda p, shape, n: RandomVerticalFlip(p)),
    "rotate": Named("degrees", 15.0, lambda degrees, shape, n: RandomRotation(degrees, "bilinear")),
    "crop": Named("padding in pixels, by default an eighth of the image", None,
                  lambda pixels, shape, n: RandomCrop(shape[1:], padding=_padding(pixels, shape))),
    "resized-crop": Named("smallest share of the area", 0.5,
                          lambda share, shape, n: RandomResizedCrop(shape[1:], (share, 1.0))),
    "affine": Named("degrees; shifts and scales by a tenth too", 15.0, lambda degrees, shape, n: RandomAffine(
        degrees, (0.1, 0.1), (0.9, 1.1), interpolation="bilinear")),
    "jitter": Named("brightness, contrast and saturation", 0.2,
                    lambda share, shape, n: ColorJitter(share, share, share)),
    "erase": Named("probability", 0.5, lambda p, shape, n: RandomErasing(p)),
    "mixup": Named("alpha", 0.2, lambda alpha, shape, n: MixUp(alpha=alpha, num_classes=n)),
    "cutmix": Named("alpha", 1.0, lambda alpha, shape, n: CutMix(alpha=alpha, num_classes=n)),
}


def named(spec: str, image_shape: tuple[int, ...], num_classes: int | None = None) -> Compose:
    """The transforms that a text names, in its order.

    Parameters
    ----------
    spec : str
        Names of `NAMES`, with commas between them, each with or without its number:
        ``"flip,crop=4,rotate=10"``.
    image_shape : tuple of int, (C, H, W)
        The shape of the images, which crops keep.
    num_classes : int, optional
        The number of classes, for ``mixup`` and ``cutmix``.

    Raises
    ------
    ValueError
        If there is no such name, or a value is no number or out of range.

    >>> named("flip,crop=4", (3, 32, 32))
    Compose([RandomHorizontalFlip(), RandomCrop(size=(32, 32), padding=4)])
    """
    return Compose([NAMES[name].make(number, tuple(image_shape), num_classes)
                    for name, number in numbers_by_name(spec)])


def numbers_by_name(spec: str, name_of_setting: str = "augment") -> list[tuple[str, float]]:
    """The names of a text and their numbers; errors begin with the setting's name.

    >>> numbers_by_name("flip, rotate=10")
    [('flip', 0.5), ('rotate', 10.0)]
    """
    transforms = []
    for word in spec.split(","):
        name, equals, text = (part.strip() for part in word.partition("="))
        if name not in NAMES:
            matches = difflib.get_close_matches(name, NAMES, n=1)
            hint = (f"did you mean {matches[0]!r}?" if matches
                    else f"there are {', '.join(NAMES)}, with commas between them")
            raise ValueError(f"{name_of_setting}: there is no transform {name!r}; {hint}")
        default = NAMES[name].default
        number = math.nan if default is None else default
        if equals:
            try:
                number = float(text)
            except ValueError:
                number = math.inf
            if not math.isfinite(number) or (default is None and not number.is_integer()):
                raise ValueError(f"{name_of_setting}: {word.strip()!r}: "
                                 f"{name} takes a number ({NAMES[name].number})")
        try:
            NAMES[name].make(number, (1, 32, 32), 2)
        except ValueError as error:
            raise ValueError(f"{name_of_setting}: {word.strip()!r}: {error}") from None
        transforms.append((name, number))
    return transforms
