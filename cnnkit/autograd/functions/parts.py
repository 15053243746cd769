"""Functions that cut a part out of a Tensor by numbers: a range, one position, every window."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.raw import positions_like
from cnnkit.autograd.sharing import share_chosen
from cnnkit.autograd.value import Value
from cnnkit.ops import indexing, shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["narrow", "select"]


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` slices along an axis, from `start` on.

    Raises
    ------
    IndexError
        If `start` or `dim` is out of range.
    RuntimeError
        If there are not so many slices.

    >>> import cnnkit
    >>> cnnkit.narrow(cnnkit.tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2, 3])
    """
    if not input.shape:
        raise RuntimeError("narrow needs a Tensor with axes")
    axis = axis_of("narrow", dim, input.ndim)
    first, size = operator.index(start), input.shape[axis]
    if not -size <= first <= size:
        raise IndexError(f"narrow got start {first}; axis {axis} has size {size}")
    first += size if first < 0 else 0
    if length < 0 or first + length > size:
        raise RuntimeError(f"narrow got start {first} and length {length}; axis {axis} has size {size}")
    return apply(indexing.getitem, input, index=(*(slice(None),) * axis, slice(first, first + length)))


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The slice at one position along an axis, without that axis.

    >>> import cnnkit
    >>> cnnkit.select(cnnkit.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    if not input.shape:
        raise IndexError("select needs a Tensor with axes")
    axis = axis_of("select", dim, input.ndim)
    return apply(indexing.getitem, input, index=(*(slice(None),) * axis, operator.index(index)))


class PartsMethods(Value):
    """What cuts a part out, as a Tensor's methods."""

    __slots__ = ()

    narrow = narrow
    select = select

    def unfold(self, dimension: int, size: int, step: int) -> Tensor:
        """All windows of `size` elements along an axis, `step` apart; the elements of each are a last axis.

        >>> import cnnkit
        >>> cnnkit.tensor([1, 2, 3, 4]).unfold(0, 2, 1)
        tensor([[1, 2],
                [2, 3],
                [3, 4]])
        """
        shape = self.shape or (1,)
        axis = axis_of("unfold", dimension, self.ndim)
        if not 0 <= size <= shape[axis] or step < 1:
            raise RuntimeError(f"unfold needs a size of 0 to {shape[axis]} (that of axis {axis}) and a step "
                               f"of 1 or more; got size {size} and step {step}")
        x = apply(shaping.reshape, self, shape=shape)
        if not self.shape:
            return x[:size]
        before = (slice(None),) * axis
        starts = positions_like(self, 0, shape[axis] - size + 1, step).reshape(-1, 1)
        places = starts + positions_like(self, size)
        windows = x[(*before, places)]
        # windows that overlap must not be changed: an element would be in several
        share_chosen(x, windows, (*before, places.tolist()), lambda s: (
            *s[:axis], *((0, 0) if size > step else (s[axis] * step, s[axis])), *s[axis + 1:]))
        return windows.movedim(axis + 1, -1)
