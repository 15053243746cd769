"""Joining and selecting Tensors."""

from __future__ import annotations

from cnnkit.autograd import Tensor
from cnnkit.autograd.functions import cat, flatten, stack, where
from cnnkit.backends import backend_of, dtype_name, on
from cnnkit.foreign import device_of

__all__ = ["cat", "flatten", "one_hot", "stack", "where"]


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class index and 0 elsewhere, along a new last axis; int64.

    Parameters
    ----------
    tensor : Tensor of integers
        Class indices, of any shape.
    num_classes : int
        Size of the new axis; -1 takes the largest index plus one.

    Raises
    ------
    TypeError
        If `tensor` holds no integers.
    ValueError
        If `tensor` is empty and `num_classes` is not given.
    IndexError
        If an index is below 0, or not below `num_classes`.

    >>> import cnnkit
    >>> one_hot(cnnkit.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if "int" not in dtype_name(tensor.dtype):
        raise TypeError(f"one_hot needs integer class indices; got {dtype_name(tensor.dtype)}")
    if not tensor.numel() and num_classes == -1:
        raise ValueError("one_hot of an empty Tensor needs num_classes")
    backend = backend_of(tensor.array)
    indices = tensor.to(dtype=backend.dtype("int64"))
    if tensor.numel():
        with on(indices.array):
            lowest, highest = (int(f(indices.array)) for f in (backend.namespace.min, backend.namespace.max))
        num_classes = highest + 1 if num_classes == -1 else num_classes
        if lowest < 0 or highest >= num_classes:
            raise IndexError(f"one_hot got the class index {lowest if lowest < 0 else highest}; "
                             f"of {num_classes} classes they are 0 to {num_classes - 1}")
    array = indices.array
    classes = backend.namespace.arange(num_classes, dtype=array.dtype, device=device_of(array))
    return (indices.unsqueeze(-1) == classes).to(dtype=array.dtype)
