"""ConvertImageDtype and Lambda: values in another dtype, and any function as a transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name, namespace_of, on
from cnnkit.data.transforms.arrays import moved
from cnnkit.foreign import is_array

__all__ = ["ConvertImageDtype", "Lambda"]

LARGEST = {"uint8": 2**8 - 1, "uint16": 2**16 - 1, "int8": 2**7 - 1, "int16": 2**15 - 1, "int32": 2**31 - 1,
           "int64": 2**63 - 1}
FLOATS = ("float16", "bfloat16", "float32", "float64")


class ConvertImageDtype:
    """Convert images to another dtype, and their values with it: 255 of uint8 is 1.0 of floats.

    Parameters
    ----------
    dtype : str or dtype
        Such as ``"float32"`` or ``cnnkit.float32``.

    Raises
    ------
    TypeError
        If `dtype` or the images' dtype is neither an integer of `LARGEST` nor floating-point.

    >>> import numpy
    >>> ConvertImageDtype("float32")(numpy.asarray([[[0, 255]]], "uint8")).tolist()
    [[[0.0, 1.0]]]
    >>> ConvertImageDtype("uint8")(numpy.asarray([[[0.0, 0.2, 1.0]]])).tolist()
    [[[0, 51, 255]]]
    """

    def __init__(self, dtype: Any):
        self.dtype: str = dtype if isinstance(dtype, str) else dtype_name(dtype)
        self._check(self.dtype)

    def __call__(self, image: Any) -> Any:
        if not is_array(image):
            raise TypeError(f"{self!r} takes arrays and Tensors, got a {type(image).__name__}; "
                            "put PILToTensor() before it")
        array = image.array if isinstance(image, Tensor) else image
        with on(array):
            converted = self._converted(array)
        return Tensor(converted) if isinstance(image, Tensor) else converted

    def transform_batch(self, images: Any) -> Any:
        """The same: a batch is taken as it is."""
        return self(images)

    def _converted(self, array: Any) -> Any:
        xp, old, new = namespace_of(array), dtype_name(array.dtype), self.dtype
        self._check(old)
        dtype = moved([], array, new).dtype
        if old == new or (old in FLOATS and new in FLOATS):
            return xp.astype(array, dtype, copy=False)
        if new in FLOATS:
            return xp.astype(array, dtype) / LARGEST[old]
        if old in FLOATS:
            if (old, new) in (("float32", "int32"), ("float32", "int64"), ("float64", "int64")):
                raise TypeError(f"{self!r}: {old} is too coarse for {new}")
            return xp.astype(array * (LARGEST[new] + 1 - 1e-3), dtype)
        bits = LARGEST[old].bit_length() - LARGEST[new].bit_length()
        if bits >= 0:
            return xp.astype(array // 2**bits, dtype)
        return xp.astype(array, dtype) * 2**-bits

    def _check(self, name: str) -> None:
        if name not in FLOATS and name not in LARGEST:
            raise TypeError(f"ConvertImageDtype() is for {', '.join(LARGEST)} and {', '.join(FLOATS)}; "
                            f"got {name}")

    def __repr__(self) -> str:
        return f"ConvertImageDtype({self.dtype!r})"


class Lambda:
    """Any function of an image as a transform.

    >>> Lambda(lambda image: image + 1)(2)
    3
    """

    def __init__(self, lambd: Callable[[Any], Any]):
        if not callable(lambd):
            raise TypeError(f"Lambda() takes a function, got a {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"
