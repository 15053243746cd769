"""Image files as a model takes them: read with Pillow, resized, scaled to [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from cnnkit import functional as F
from cnnkit.autograd import Tensor, tensor
from cnnkit.data.transforms import ToTensor

__all__ = ["read_images"]


def read_images(paths: Sequence[Path], input_shape: tuple[int, int, int], invert: bool = False) -> Tensor:
    """Image files as one Tensor (N, C, H, W), float32 in [0, 1], of the size and channels that a model takes.

    Raises
    ------
    ValueError
        If a file is no image that Pillow can read, or the model takes neither 1 nor 3 channels.
    """
    channels, height, width = input_shape
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise ValueError(f"the model takes images of {channels} channels; image files have 1 (grey) or 3 (colour)")
    convert = ToTensor()
    images = []
    for path in paths:
        try:
            with Image.open(path) as opened:
                picture = opened.convert(modes[channels]).resize((width, height), Image.Resampling.BILINEAR)
        except UnidentifiedImageError as error:
            raise ValueError(f"{path} is no image that can be read (PNG, JPEG and the other formats of Pillow can)") from error
        image = tensor(convert(picture))
        images.append(1 - image if invert else image)
    return F.stack(images)
