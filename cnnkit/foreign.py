"""Values of other libraries: a few attributes tell arrays from numbers and lists.

Everything else that cnnkit requires of objects is a base class or a Protocol (`cnnkit.evaluation.contracts`,
`cnnkit.data.contracts`). Array libraries share no class, so these few functions look for attributes.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any, SupportsIndex

__all__ = ["detached", "device_of", "has_shape", "is_array", "is_tensor", "is_whole", "metadata_of",
           "plain_number"]


def is_array(value: Any) -> bool:
    """Whether a value is an array, a Tensor or an array library's scalar, of any library: it has a dtype.

    >>> import numpy
    >>> is_array(numpy.zeros(3)), is_array([0, 0, 0]), is_array(0.0)
    (True, False, False)
    """
    return hasattr(value, "dtype")


def device_of(array: Any) -> Any:
    """The device of an array, as its library's object; ``None`` where the library has none.

    >>> import numpy
    >>> device_of(numpy.zeros(3)), device_of([0, 0, 0])
    ('cpu', None)
    """
    return getattr(array, "device", None)


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


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or any library's; ``True`` and ``False`` are none.

    >>> import numpy
    >>> is_whole(3), is_whole(numpy.int64(3)), is_whole(3.0), is_whole(True)
    (True, True, False, False)
    """
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


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
