"""Preprocessing: what pictures go through before a network, as plain settings that travel with weights."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.data.host import host_array
from cnnkit.data.image_file import read_image
from cnnkit.data.transforms import CenterCrop, Normalize, Resize
from cnnkit.data.transforms.picture import ToTensor
from cnnkit.foreign import is_pillow
from cnnkit.storage import limits

__all__ = ["ORDERS", "Preprocessing"]

ORDERS = ("RGB", "BGR")
BRIGHTEST = (1, 255)


@dataclass(frozen=True)
class Preprocessing:
    """Resize a picture, cut out its middle, scale it, put its channels in order, and normalise them.

    A dataset's ``transform``, which `InputFormat` understands: `cnnkit.train.fit` writes it to the model, and
    prediction repeats it.

    Parameters
    ----------
    resize : int or (height, width), optional
        As in `transforms.Resize`: one number is that of the shorter side.
    crop : (height, width), optional
        The part in the middle that is kept.
    mean, std : tuple of float
        One for each channel in the network's order, or one for all, of pixels as `scale` has them.
    channel_order : {"RGB", "BGR"}
        The order in which the network takes the channels; pictures are RGB.
    scale : {1, 255}
        What the brightest value of a picture becomes before the mean is taken away.

    Raises
    ------
    ValueError
        If a setting makes no sense.

    >>> gray = np.full((300, 400, 3), 51, np.uint8)
    >>> Preprocessing(256, (224, 224), mean=(0.1,), std=(0.5,))(gray).shape
    (3, 224, 224)
    >>> Preprocessing(mean=(1.0, 2.0, 3.0), channel_order="BGR", scale=255)(gray)[:, 0, 0].round(4).tolist()
    [50.0, 49.0, 48.0]
    """

    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channel_order: str = "RGB"
    scale: int = 1

    def __post_init__(self) -> None:
        if self.channel_order not in ORDERS:
            raise ValueError(f"channel_order is {' or '.join(map(repr, ORDERS))}; got {self.channel_order!r}")
        if self.scale not in BRIGHTEST:
            raise ValueError(f"scale, what white becomes, is 1 or 255; got {self.scale!r}")
        Normalize(self.mean, self.std)
        if self.resize is not None:
            Resize(self.resize)
        if self.crop is not None:
            CenterCrop(self.crop)

    def __call__(self, image: Any) -> np.ndarray:
        """One picture as the network takes it, float32 (C, H, W).

        Parameters
        ----------
        image : path, Pillow image, or uint8 or uint16 array (H, W) or (H, W, C)
            Gray pictures get three channels where `mean` has three.
        """
        if isinstance(image, str | os.PathLike):
            image = read_image(Path(image), "RGB")
        if is_pillow(image):
            image = image if image.mode in ("L", "RGB") else image.convert("RGB")
            image = image if self.resize is None else self._resizing(image.height, image.width)(image)
            return self._normalised(self._cropped(host_array(image)[None]))[0]
        return self.transform_batch(host_array(image)[None])[0]

    def transform_batch(self, images: Any) -> np.ndarray:
        """Pictures (N, H, W) or (N, H, W, C) as float32 (N, C, H, W)."""
        pixels = host_array(images)
        if pixels.ndim not in (3, 4) or pixels.dtype not in (np.uint8, np.uint16):
            raise TypeError("preprocessing takes pictures, uint8 or uint16 (H, W) or (H, W, C); got "
                            f"{pixels.dtype} of shape {pixels.shape[1:]}")
        if self.resize is not None:
            pixels = self._resizing(*pixels.shape[1:3]).transform_batch(pixels)
        return self._normalised(self._cropped(pixels))

    def _resizing(self, H: int, W: int) -> Resize:
        """The resizing, if what it makes of H x W pixels is within the limits: files may ask for any size."""
        resize = Resize(self.resize or (H, W))
        limits.check("image_pixels", math.prod(resize.size_of(H, W)),
                     f"a picture of {H} x {W} pixels, resized to {self.resize},")
        return resize

    def _cropped(self, images: np.ndarray) -> np.ndarray:
        return images if self.crop is None else CenterCrop(self.crop).transform_batch(images)

    def _normalised(self, images: np.ndarray) -> np.ndarray:
        if images.ndim == 3 and len(self.mean) == 3:
            images = np.stack([images] * 3, axis=3)
        batch = ToTensor().transform_batch(images)
        if self.channel_order == "BGR":
            batch = np.ascontiguousarray(batch[:, ::-1])
        return Normalize(*self.of_unit()).transform_batch(batch)

    def of_unit(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of pictures that are scaled to [0, 1].

        >>> Preprocessing(mean=(51.0,), std=(1.0,), scale=255).of_unit()
        ((0.2,), (0.00392156862745098,))
        """
        return tuple(m / self.scale for m in self.mean), tuple(s / self.scale for s in self.std)
