"""Whatever holds numbers, as one NumPy array: arrays of any library, lists, data frames, Pillow images."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of
from cnnkit.foreign import is_array, is_pillow, is_sparse, is_tensor

__all__ = ["fitting_dtype", "host_array", "of_one_shape", "pillow_array"]

GRAY = ("1", "L", "LA", "La")
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def host_array(values: Any, name: str = "images") -> np.ndarray:
    """Numbers as a NumPy array in this machine's byte order; it may share memory with `values`.

    Parameters
    ----------
    values : array, Tensor, list, memoryview, data frame, or Pillow image
        Of any library, on any device. A list may hold arrays, Tensors or Pillow images of one size.
    name : str
        What they are, for the errors.

    Raises
    ------
    TypeError
        If they are sparse, text, complex, or Python objects that are no numbers.
    ValueError
        If the parts of a list differ in size, or values of a masked array are missing.

    >>> host_array([[1, 2], [3, 4]]).shape, host_array(np.zeros(2, ">f4")).dtype.isnative
    ((2, 2), True)
    """
    if is_sparse(values):
        raise TypeError(f"{name} are a sparse {type(values).__name__}, and networks take dense arrays; "
                        "give what its toarray() returns")
    if np.ma.isMaskedArray(values):
        if np.ma.is_masked(values):
            raise ValueError(f"{name} are a masked array with missing values; fill them, as in .filled(0)")
        values = values.data
    array = values if isinstance(values, np.ndarray) else _converted(values, name)
    if array.dtype.kind == "O":
        array = of_one_shape(list(array), name) if array.ndim == 1 and _holds_parts(array) else array
    if array.dtype.kind not in "biuf" and not _is_narrow(array.dtype):
        fix = ("number the classes with numpy.unique(labels, return_inverse=True)" if name == "labels"
               else "give an array of floats, or of uint8 from 0 to 255")
        kind = _kind_of(array)
        if kind.startswith("Python"):
            fix = "a DataLoader's collate_fn= can make batches of them"
        raise TypeError(f"{name} must be numbers, got {kind}; {fix}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def of_one_shape(parts: list[Any], name: str = "images") -> np.ndarray:
    """The parts as one array; ValueError where two differ in shape, which names both."""
    arrays = [host_array(part, name) for part in parts]
    for index, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(f"{name} must have one shape: number 0 has {arrays[0].shape}, number {index} "
                             f"has {array.shape}; resize or crop them to one size first")
    return np.stack(arrays)


def fitting_dtype(integers: np.ndarray) -> str:
    """For an error: the range of integers that no picture has, and the dtype to convert them to."""
    if not integers.size:
        return "; use .astype('uint8')"
    low, high = integers.min(), integers.max()
    if low >= 0 and high <= 65535:
        name, white = ("uint8", 255) if high <= 255 else ("uint16", 65535)
        fix = f".astype({name!r}) where {white} is white"
    else:
        fix = ".astype('float32') and bring them to 0..1"
    return f" from {low} to {high}; use {fix}"


def pillow_array(image: Any) -> np.ndarray:
    """A Pillow image as an array (H, W) or (H, W, 3), as `ImageFolder` reads files.

    It is turned upright by its EXIF data and put on white where it is transparent; palettes are resolved.
    Gray images of 16 bits are uint16, floating-point ones (mode "F") float32, all others uint8.

    >>> from PIL import Image
    >>> pillow_array(Image.new("P", (3, 2))).shape, pillow_array(Image.new("I;16", (3, 2))).dtype.name
    ((2, 3, 3), 'uint16')
    """
    from PIL import Image, ImageOps
    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP:
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        return np.asarray(image)
    mode = "L" if image.mode in GRAY else "RGB"
    if image.mode in ALPHA or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _converted(values: Any, name: str) -> np.ndarray:
    if is_pillow(values):
        return pillow_array(values)
    if isinstance(values, Tensor):
        return values.detach().numpy()
    if is_tensor(values):  # PyTorch's may be on a device, or of bfloat16
        return backend_of(values.detach()).to_numpy(values.detach())
    if isinstance(values, list | tuple) and _holds_parts(values):
        return of_one_shape(list(values), name)
    try:
        return np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{name} have rows of different lengths, or other parts of different sizes "
                         f"({error}); bring them to one size first") from None
    except TypeError:  # arrays on a device, which their libraries do not copy unasked
        return backend_of(values).to_numpy(values)


def _holds_parts(values: Any) -> bool:
    """Whether the elements are arrays, Tensors, lists or pictures rather than numbers."""
    first: Any = values[0] if len(values) else 0
    if is_pillow(first) or is_sparse(first):
        return True
    return bool(first.shape) if is_array(first) else isinstance(first, list | tuple)


def _is_narrow(dtype: np.dtype) -> bool:
    """bfloat16 and its like, which NumPy takes for raw bytes."""
    return dtype.kind == "V" and "float" in dtype.name


def _kind_of(array: np.ndarray) -> str:
    if array.dtype.kind in "US":
        return f"text such as {array.flat[0].item()!r}" if array.size else "text"
    if array.dtype.kind == "O" and array.size and isinstance(array.flat[0], str):
        return f"text such as {array.flat[0]!r}"
    if array.dtype.kind == "O":
        return f"Python objects such as a {type(array.flat[0]).__name__}" if array.size else "Python objects"
    return f"{array.dtype} of shape {array.shape}"
