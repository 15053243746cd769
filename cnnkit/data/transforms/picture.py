"""ToTensor: turns a picture, as files and cameras store it, into the array that networks take."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.data.host import fitting_dtype, host_array

__all__ = ["ToTensor"]

# what a picture is divided by
_BRIGHTEST = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}


class ToTensor:
    """Make a picture a float32 array (C, H, W) with values in [0, 1], as torchvision's transform does.

    A picture (H, W) or (H, W, C), or a Pillow image, is divided by the brightest value of its dtype, 255 of
    uint8 and 65535 of uint16, and its channels move to the front. A float array is a tensor already: (H, W)
    becomes (1, H, W), (C, H, W) stays, values stay, the dtype becomes float32. (torchvision also moves the
    last axis of a float array; here float means channels first.)

    The result is a host array: `DataLoader` moves whole batches to the backend.

    Raises
    ------
    TypeError
        If the image is neither uint8, uint16, bool nor float.
    ValueError
        If it has neither two nor three axes.

    >>> import numpy
    >>> rgb = numpy.zeros((28, 56, 3), "uint8")
    >>> ToTensor()(rgb).shape, ToTensor().transform_batch(rgb[None]).shape
    ((3, 28, 56), (1, 3, 28, 56))
    """

    def is_pointwise(self) -> bool:
        """Whether each value comes from one pixel's value of one channel; false for a subclass's method."""
        return type(self).transform_batch is ToTensor.transform_batch

    def __call__(self, image: Any) -> np.ndarray:
        image = host_array(image)
        if image.ndim not in (2, 3):
            raise ValueError("ToTensor() takes an image (H, W) or (H, W, C), "
                             f"got an array of shape {image.shape}")
        return self.transform_batch(image[None])[0]

    def transform_batch(self, images: np.ndarray) -> np.ndarray:
        """Float32 (N, C, H, W) of many: pictures (N, H, W, C), floats (N, C, H, W), or both as (N, H, W)."""
        images = host_array(images)
        if images.ndim not in (3, 4):
            raise ValueError("ToTensor().transform_batch takes (N, H, W) or four axes, got an array of shape "
                             f"{images.shape}")
        if images.dtype in _BRIGHTEST:
            images = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
            scaled = np.empty(images.shape, np.float32)  # in C order, whatever the pictures' strides
            # a product with 1/255 would round differently from torchvision
            np.divide(images, _BRIGHTEST[images.dtype], out=scaled)
            images = scaled
        elif np.issubdtype(images.dtype, np.floating) or images.dtype == bool:
            images = images.astype(np.float32)
        else:
            raise TypeError("ToTensor() takes uint8 (0 to 255), uint16 (0 to 65535) or float images, got "
                            f"{images.dtype}{fitting_dtype(images)}")
        return images[:, None] if images.ndim == 3 else images

    def __repr__(self) -> str:
        return "ToTensor()"
