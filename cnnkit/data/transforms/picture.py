"""ToTensor: turns a picture, as files and cameras store it, into the array that networks take."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ToTensor"]

_BRIGHTEST = np.float32(255)


class ToTensor:
    """Make a picture a float32 array (C, H, W) with values in [0, 1], as torchvision's transform does.

    A uint8 picture (H, W) or (H, W, C), or a Pillow image, is divided by 255 and its channels move to the
    front. A float array is a tensor already: (H, W) becomes (1, H, W), (C, H, W) stays, values stay, the
    dtype becomes float32. (torchvision also moves the last axis of a float array; here float means
    channels first.)

    The result is a host array: `DataLoader` moves whole batches to the backend.

    Raises
    ------
    TypeError
        If the image is neither uint8, bool nor float.
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
        image = np.asarray(image)
        if image.ndim not in (2, 3):
            raise ValueError("ToTensor() takes an image (H, W) or (H, W, C), "
                             f"got an array of shape {image.shape}")
        return self.transform_batch(image[None])[0]

    def transform_batch(self, images: np.ndarray) -> np.ndarray:
        """Float32 (N, C, H, W) of many: uint8 (N, H, W) or (N, H, W, C), float (N, H, W) or (N, C, H, W)."""
        images = np.asarray(images)
        if images.ndim not in (3, 4):
            raise ValueError("ToTensor().transform_batch takes (N, H, W) or four axes, got an array of shape "
                             f"{images.shape}")
        if images.dtype == np.uint8:
            images = images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
            scaled = np.empty(images.shape, np.float32)  # in C order, whatever the pictures' strides
            # a product with 1/255 would round differently from torchvision
            np.divide(images, _BRIGHTEST, out=scaled)
            images = scaled
        elif np.issubdtype(images.dtype, np.floating) or images.dtype == bool:
            images = images.astype(np.float32)
        else:
            raise TypeError(f"ToTensor() takes uint8 (0 to 255) or float images, got {images.dtype}; "
                            "scale them to 0..255 and use .astype('uint8')")
        return images[:, None] if images.ndim == 3 else images

    def __repr__(self) -> str:
        return "ToTensor()"
