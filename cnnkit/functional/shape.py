"""Joining and selecting Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.autograd import Tensor, apply
from cnnkit.backends import backend_of, dtype_name, on
from cnnkit.foreign import device_of, is_array
from cnnkit.ops import elementwise, shaping

__all__ = ["cat", "flatten", "one_hot", "stack", "where"]


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the axes from `start_dim` to `end_dim` into one.

    >>> import cnnkit
    >>> flatten(cnnkit.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 1).shape
    (1, 4)
    """
    return input.flatten(start_dim, end_dim)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors along an axis that they have.

    Raises
    ------
    ValueError
        If there are none, or their shapes differ along another axis.

    >>> import cnnkit
    >>> cat([cnnkit.tensor([1.0]), cnnkit.tensor([2.0, 3.0])])
    tensor([1., 2., 3.])
    """
    shapes = [t.shape for t in tensors]
    if not shapes:
        raise ValueError("cat needs at least one Tensor")
    axis = _axis("cat", dim, len(shapes[0]))
    if len({(len(s), s[:axis], s[axis + 1:]) for s in shapes}) > 1:
        raise ValueError(f"cat along axis {axis} got shapes {', '.join(map(str, shapes))}; "
                         "all other axes must agree")
    return apply(shaping.concat, *tensors, axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises
    ------
    ValueError
        If there are none, or their shapes differ.

    >>> import cnnkit
    >>> stack([cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([3.0, 4.0])], dim=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    shapes = [t.shape for t in tensors]
    if len(set(shapes)) != 1:
        raise ValueError(f"stack needs Tensors of one shape; got {', '.join(map(str, shapes)) or 'none'}")
    axis = _axis("stack", dim, len(shapes[0]) + 1)
    return apply(shaping.concat, *[t.unsqueeze(axis) for t in tensors], axis=axis)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """Elements of `input` where the condition holds, elsewhere of `other`; with broadcasting.

    One of the two may be a number.

    >>> import cnnkit
    >>> x = cnnkit.tensor([-1.0, 2.0])
    >>> where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if not is_array(input) and not is_array(other):
        raise TypeError("where() needs a Tensor among its two sources, for the dtype; "
                        f"got {input!r} and {other!r}")
    return apply(elementwise.where, condition, input, other)


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


def _axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name} got axis {axis} for Tensors with {ndim} axes")
    return axis % ndim
