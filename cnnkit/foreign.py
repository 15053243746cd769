"""Values of other libraries: a few attributes tell arrays from numbers and lists.

Everything else that cnnkit requires of objects is a base class or a Protocol (`cnnkit.evaluation.contracts`,
`cnnkit.data.contracts`). Array libraries share no class, so these few functions look for attributes.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

__all__ = ["device_of", "has_shape", "is_array", "is_array_like", "is_pillow", "is_sparse", "is_tensor",
           "is_whole"]


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
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)
