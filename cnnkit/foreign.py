"""Values of other libraries: a few attributes tell arrays from numbers and lists.

Everything else that cnnkit requires of objects is a base class or a Protocol (`cnnkit.evaluation.contracts`,
`cnnkit.data.contracts`). Array libraries share no class, so these few functions look for attributes.
"""

from __future__ import annotations

import itertools
import numbers
import operator
from collections.abc import Mapping
from typing import Any, SupportsIndex

__all__ = ["detached", "device_of", "has_shape", "in_host_memory", "is_array", "is_array_like",
           "is_pillow", "is_sparse", "is_tensor", "is_whole", "metadata_of", "plain", "plain_number",
           "strides_of", "whole"]


def is_array(value: Any) -> bool:
    """Whether a value is an array, a Tensor or an array library's scalar, of any library: it has a dtype.

    >>> import numpy
    >>> is_array(numpy.zeros(3)), is_array([0, 0, 0]), is_array(0.0)
    (True, False, False)
    """
    return hasattr(value, "dtype")


def is_array_like(value: Any) -> bool:
    """Whether a value holds numbers as an array does: an array, a data frame, a sparse matrix, a memoryview.

    >>> import numpy
    >>> is_array_like(numpy.zeros(3)), is_array_like(memoryview(b"1")), is_array_like([0, 0, 0])
    (True, True, False)
    """
    if is_sparse(value) or isinstance(value, memoryview) or hasattr(value, "__array__"):
        return True
    return is_array(value) and has_shape(value)


def device_of(array: Any) -> Any:
    """The device of an array, as its library's object; ``None`` where the library has none.

    >>> import numpy
    >>> device_of(numpy.zeros(3)), device_of([0, 0, 0])
    ('cpu', None)
    """
    return getattr(array, "device", None)


def strides_of(array: Any) -> tuple[int, ...]:
    """How many elements lie between neighbours along each axis; as in C order where the library is silent.

    >>> import numpy
    >>> strides_of(numpy.zeros((2, 3)).T), strides_of([0])
    ((1, 3), (1,))
    """
    strides = getattr(array, "strides", None)
    if isinstance(strides, tuple):  # in bytes
        return tuple([stride // array.dtype.itemsize for stride in strides])
    if callable(stride := getattr(array, "stride", None)):
        return tuple(stride())
    shape = getattr(array, "shape", (1,))
    steps = list(itertools.accumulate(reversed(shape[1:]), operator.mul, initial=1))
    return tuple(reversed(steps[:len(shape)]))


def in_host_memory(array: Any) -> bool:
    """Whether an array's values can be read without waiting for a device; also true of numbers.

    >>> import numpy
    >>> in_host_memory(numpy.zeros(3)), in_host_memory(1.0)
    (True, True)
    """
    device = device_of(array)
    return device is None or "cpu" in str(device).lower()


def has_shape(value: Any) -> bool:
    """Whether a value is an array, a data frame or a sparse matrix: its class gives it a shape.

    >>> import numpy
    >>> has_shape(numpy.zeros(3)), has_shape([0, 0, 0])
    (True, False)
    """
    return hasattr(type(value), "shape")


def is_tensor(value: Any) -> bool:
    """Whether a value is a Tensor, PyTorch's or cnnkit's, whose images are (C, H, W): it can be detached.

    >>> import cnnkit, numpy
    >>> is_tensor(cnnkit.tensor([1.0])), is_tensor(numpy.zeros(3))
    (True, False)
    """
    return hasattr(value, "detach")


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse matrix or array, such as SciPy's: it can be made dense by ``toarray()``.

    >>> import numpy
    >>> is_sparse(numpy.zeros(3)), is_sparse([0, 0, 0])
    (False, False)
    """
    return hasattr(value, "toarray")


def is_pillow(value: Any) -> bool:
    """Whether a value is a Pillow image; Pillow is not imported to find out.

    >>> from PIL import Image
    >>> is_pillow(Image.new("L", (2, 2))), is_pillow("L")
    (True, False)
    """
    return any((kind.__module__, kind.__name__) == ("PIL.Image", "Image") for kind in type(value).__mro__)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or any library's; ``True`` and ``False`` are none.

    >>> import numpy
    >>> is_whole(3), is_whole(numpy.int64(3)), is_whole(3.0), is_whole(True)
    (True, True, False, False)
    """
    if type(value) is int:  # asked often; to ask for a protocol takes twenty times as long
        return True
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number, Python's or any library's, as Python's.

    Raises
    ------
    ValueError
        If `value` is no whole number, or less than `least`; the message has the argument's `name`.

    >>> import numpy
    >>> whole("epochs", numpy.int64(3))
    3
    >>> whole("epochs", 2.5)
    Traceback (most recent call last):
    ...
    ValueError: epochs must be a whole number, 1 or more; got 2.5
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number, {least} or more; got {value!r}")
    return number


def plain(value: Any) -> Any:
    """A library's number as Python's, also in tuples and lists; all else as it is.

    >>> import numpy
    >>> plain(numpy.float32(0.5)), plain((numpy.int64(3), 0.5)), plain(numpy.array(2.0)), plain("cosine")
    (0.5, (3, 0.5), 2.0, 'cosine')
    """
    if type(value) in (bool, int, float, str):
        return value
    if type(value) in (tuple, list):
        return type(value)(map(plain, value))
    if isinstance(value, numbers.Real):
        return plain_number(value)
    return value.item() if has_shape(value) and value.shape == () else value


def detached(value: Any) -> Any:
    """The value; of a Tensor that requires a gradient, of any library, the part without the gradient.

    >>> import cnnkit
    >>> detached(cnnkit.tensor([1.0], requires_grad=True))
    tensor([1.])
    >>> detached([1.0])
    [1.0]
    """
    return value.detach() if getattr(value, "requires_grad", False) is True else value


def plain_number(value: Any) -> Any:
    """A NumPy scalar as Python's number, which fits arrays of every library; else the value as it is.

    >>> import numpy
    >>> plain_number(numpy.float64(2)), plain_number(numpy.int32(3)), plain_number("text")
    (2.0, 3, 'text')
    """
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def metadata_of(state_dict: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    """The versions of the modules whose state this is, as PyTorch's dicts and ours carry them; else nothing.

    >>> from cnnkit import nn
    >>> metadata_of(nn.BatchNorm1d(2).state_dict())[""]
    {'version': 2}
    >>> metadata_of({})
    {}
    """
    return getattr(state_dict, "_metadata", {})
