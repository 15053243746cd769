"""Several images as one picture, and pictures in files: `make_grid` and `save_image`, as torchvision's."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.data.host import host_array

__all__ = ["make_grid", "save_image"]


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
              value_range: tuple[float, float] | None = None, scale_each: bool = False,
              pad_value: float = 0.0) -> Tensor:
    """Images side by side in rows, a picture to look at.

    Parameters
    ----------
    tensor : array, Tensor, or list of them
        Images (N, C, H, W), one (C, H, W) or (H, W), or a list of images of one size. Gray ones become RGB.
    nrow : int
        Images in a row.
    padding : int
        Pixels between the images, and around all of them.
    normalize : bool
        Bring values to [0, 1]: from `value_range`, or from the smallest and the largest there are.
    value_range : (low, high), optional
        What becomes 0 and 1; values beyond are cut off.
    scale_each : bool
        Take the smallest and the largest of each image by itself.
    pad_value : float
        The value between the images.

    Returns
    -------
    Tensor
        (C, H', W') in host memory; one image comes back as it is, without a border.

    Raises
    ------
    TypeError
        If they are no images.
    ValueError
        If `nrow` is below 1, there are no images, or they have another number of axes.

    >>> make_grid(np.ones((3, 1, 4, 4), "float32"), nrow=2).shape
    (3, 14, 14)
    """
    images = host_array(tensor)
    if nrow < 1 or padding < 0:
        raise ValueError(f"make_grid(nrow={nrow}, padding={padding}): a row has 1 image or more, "
                         "and a border 0 pixels or more")
    if images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise ValueError("make_grid() takes images (N, C, H, W), (C, H, W) or (H, W), "
                         f"got shape {images.shape}")
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    images = images.repeat(3, axis=1) if images.shape[1] == 1 else images
    if normalize:
        images = _normalized(images, value_range, scale_each)
    N, C, H, W = images.shape
    if N == 1:
        return Tensor(np.ascontiguousarray(images[0]))
    columns = min(nrow, N)
    rows = math.ceil(N / columns)
    grid = np.full((C, padding + rows * (H + padding), padding + columns * (W + padding)),
                   pad_value, images.dtype)
    for n, image in enumerate(images):
        top, left = (padding + place * (size + padding) for place, size in zip(divmod(n, columns), (H, W)))
        grid[:, top:top + H, left:left + W] = image
    return Tensor(grid)


def _normalized(images: np.ndarray, value_range: Sequence[float] | None, scale_each: bool) -> np.ndarray:
    if images.dtype.kind != "f":
        raise TypeError(f"make_grid(normalize=True) takes floats, got {images.dtype}")
    if value_range is not None:
        low, high = map(np.asarray, value_range)
        images = images.clip(low, high)
    else:
        axes = (1, 2, 3) if scale_each else (0, 1, 2, 3)
        low, high = images.min(axes, keepdims=True), images.max(axes, keepdims=True)
    return ((images - low) / np.maximum(high - low, 1e-5)).astype(images.dtype)


def save_image(tensor: Any, fp: str | os.PathLike[str] | Any, format: str | None = None,
               **kwargs: Any) -> None:
    """Write images as one picture file, such as a PNG.

    Parameters
    ----------
    tensor : array, Tensor, or list of them
        Images from 0 to 1, as `make_grid` takes them.
    fp : path, or file object
    format : str, optional
        Such as ``"png"``, where `fp` has no name that says it.
    **kwargs
        For `make_grid`.

    Raises
    ------
    ValueError
        As `make_grid`; or if the images have neither 1 nor 3 channels, or the name says no format.
    OSError
        If the file cannot be written.

    >>> import io
    >>> file = io.BytesIO()
    >>> save_image(np.ones((3, 1, 4, 4), "float32"), file, format="png", nrow=2)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    from PIL import Image
    grid = make_grid(tensor, **kwargs).numpy()
    if grid.shape[0] != 3:
        raise ValueError(f"save_image() takes images of 1 or 3 channels, got {grid.shape[0]}")
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8)  # to the nearest value
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(fp, format=format)
