"""Flatten and Unflatten: from feature maps to the vector that a dense layer takes, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnkit.autograd import Tensor
from cnnkit.foreign import is_whole
from cnnkit.nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Joins the axes from `start_dim` to `end_dim` into one; by default all but the batch.

    >>> import cnnkit
    >>> Flatten()(cnnkit.tensor([[[1.0, 2.0], [3.0, 4.0]]])).shape
    (1, 4)
    """

    end_dim: int
    start_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one axis into several.

    Parameters
    ----------
    dim : int
        The axis.
    unflattened_size : sequence of int
        The sizes of the new axes; one may be -1.

    Raises
    ------
    TypeError
        If the sizes are no sequence of integers.
    ValueError
        At the call, if their product is not the size of the axis.

    >>> import cnnkit
    >>> Unflatten(1, (2, -1))(cnnkit.tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (1, 2, 2)
    """

    dim: int
    unflattened_size: tuple[int, ...] | list[int]

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        if not is_whole(dim):
            raise TypeError(f"Unflatten needs dim to be an integer: axes have no names here; got {dim!r}")
        if not isinstance(unflattened_size, tuple | list) or not all(map(is_whole, unflattened_size)):
            raise TypeError(f"unflattened_size must be a tuple of ints; got {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        shape, sizes = input.shape, tuple(self.unflattened_size)
        if not -len(shape) <= self.dim < len(shape):
            raise IndexError(f"Unflatten got dim={self.dim} for an input of shape {shape}")
        axis = self.dim % len(shape)
        known = math.prod(n for n in sizes if n != -1)
        if sizes.count(-1) == 1 and known and shape[axis] % known == 0:
            sizes = tuple(shape[axis] // known if n == -1 else n for n in sizes)
        if -1 in sizes or math.prod(sizes) != shape[axis]:
            raise ValueError(f"Unflatten: provided sizes {sizes} don't multiply up to the size of dim "
                             f"{self.dim} ({shape[axis]}) in the input of shape {shape}")
        return input.reshape((*shape[:axis], *sizes, *shape[axis + 1:]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
