"""ToTensor, PILToTensor and ToPILImage: from pictures, as files store them, to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.data.host import fitting_dtype, host_array
from cnnkit.foreign import is_tensor

__all__ = ["PILToTensor", "ToPILImage", "ToTensor"]

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


class PILToTensor:
    """Make a Pillow image, or a picture (H, W) or (H, W, C), a Tensor (C, H, W) of the same values.

    The Tensor is in host memory.

    >>> from PIL import Image
    >>> tensor = PILToTensor()(Image.new("RGB", (5, 4), (1, 2, 3)))
    >>> tensor.shape, str(tensor.dtype), tensor[:, 0, 0].tolist()
    ((3, 4, 5), 'uint8', [1, 2, 3])
    """

    def __call__(self, pic: Any) -> Tensor:
        array = host_array(pic)
        if array.ndim not in (2, 3):
            raise ValueError("PILToTensor() takes an image (H, W) or (H, W, C), "
                             f"got an array of shape {array.shape}")
        return Tensor(np.ascontiguousarray(array.transpose(2, 0, 1) if array.ndim == 3 else array[None]))

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """Make a Pillow image.

    Parameters
    ----------
    mode : str, optional
        Pillow's mode; by default ``"L"``, ``"LA"``, ``"RGB"`` or ``"RGBA"`` for 1, 2, 3 or 4 channels,
        ``"I;16"`` for uint16.

    Raises
    ------
    ValueError
        If the image has neither two nor three axes, or another number of channels.

    Notes
    -----
    Of floats (C, H, W), from 0 to 1, values are multiplied by 255 and cut off, as torchvision does.
    Pictures, uint8 or uint16, are (H, W) or (H, W, C), and Tensors (C, H, W).

    >>> import numpy
    >>> ToPILImage()(numpy.ones((3, 4, 5), "float32")).getpixel((0, 0))
    (255, 255, 255)
    """

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        from PIL import Image
        array = host_array(pic)
        if array.ndim not in (2, 3):
            raise ValueError(f"ToPILImage() takes one image of two or three axes, got shape {array.shape}")
        floats = array.dtype.kind == "f"
        if array.ndim == 3 and (floats or is_tensor(pic)):
            array = array.transpose(1, 2, 0)
        if floats and self.mode != "F":
            array = (array * 255).astype(np.uint8)
        channels = array.shape[2] if array.ndim == 3 else 1
        modes = {1: "I;16" if array.dtype == np.uint16 else "L", 2: "LA", 3: "RGB", 4: "RGBA"}
        if channels not in modes:
            raise ValueError(f"ToPILImage() takes images of 1 to 4 channels, got {channels}")
        array = np.ascontiguousarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)
        if self.mode is None or len(Image.new(self.mode, (1, 1)).getbands()) != channels:
            image = Image.fromarray(array)
            return image if self.mode is None else image.convert(self.mode)
        if self.mode in ("F", "I", modes[channels]) or channels == 1:
            return Image.fromarray(array).convert(self.mode)
        return Image.frombytes(self.mode, array.shape[1::-1], array.tobytes())

    def __repr__(self) -> str:
        return "ToPILImage()" if self.mode is None else f"ToPILImage(mode={self.mode!r})"
