"""Image files as a model takes them: read as training reads them, resized, scaled to [0, 1]."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnkit import functional as F
from cnnkit.autograd import Tensor, tensor
from cnnkit.data.contracts import Transform
from cnnkit.data.datasets.folder import images_in
from cnnkit.data.image_file import ImageError, image_head, peculiarities, read_image
from cnnkit.data.transforms import ToTensor

__all__ = ["files_of", "read_images"]


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The image files among `paths` and, sorted by name, in the folders among them and below.

    Raises
    ------
    ValueError
        If there are no image files in a folder.
    """
    files: list[Path] = []
    for path in paths:
        files += images_in(path) if path.is_dir() else [path]
    return files


def read_images(paths: Sequence[Path], input_shape: tuple[int, int | None, int | None],
                invert: bool = False, transform: Transform | None = None,
                damaged: dict[Path, str] | None = None) -> Tensor:
    """Image files as one Tensor (N, C, H, W), float32, of the size and channels that a model takes.

    A height and width of ``None`` leave the images' own. Pictures go through `transform`, a saved model's;
    by default they are scaled to [0, 1]. Files that cannot be read are left out where `damaged` is given,
    which then has the reason for each.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is no image that `ImageFolder` would take, or the model takes neither 1 nor 3 channels.

    Warns
    -----
    UserWarning
        If images have 16 bits, or several frames or pages.
    """
    channels, height, width = input_shape
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise ValueError(f"the model takes images of {channels} channels; "
                         "image files have 1 (grey) or 3 (colour)")
    convert = ToTensor() if transform is None else transform
    images, heads = [], []
    for path in paths:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name the image files in it")
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
        size = None if height is None or width is None else (height, width)
        try:
            heads.append(image_head(path))
            picture = np.asarray(read_image(path, modes[channels], size))
        except ImageError as error:
            if damaged is None:
                raise
            damaged[path] = str(error)
            continue
        images.append(tensor(convert(255 - picture if invert else picture)))
    if not images and damaged:
        raise ValueError(f"none of the images can be read: {next(iter(damaged.values()))}")
    for sentence in peculiarities([path for path in paths if path not in (damaged or ())], heads):
        warnings.warn(sentence, stacklevel=2)
    return F.stack(images)
