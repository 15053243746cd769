"""Functions that split a Tensor along an axis into several."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.sharing import several
from cnnkit.autograd.value import Value
from cnnkit.ops import indexing

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk",
           "unsafe_split", "unstack", "vsplit"]


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size, of which the last may be smaller; or of the sizes in a list.

    >>> import cnnkit
    >>> cnnkit.split(cnnkit.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    if isinstance(split_size_or_sections, Sequence):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    axis, length = _axis("split", tensor, dim)
    size = operator.index(split_size_or_sections)
    if size < 0 or (not size and length):
        raise RuntimeError(f"split needs parts of 1 or more; got {size} for axis {axis} of size {length}")
    return several(_cut(tensor, axis, [*range(0, length, size or 1), length] if length else [0, 0]))


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of these sizes, which add up to the axis'.

    >>> import cnnkit
    >>> cnnkit.split_with_sizes(cnnkit.tensor([1, 2, 3]), [1, 2])
    (tensor([1]), tensor([2, 3]))
    """
    axis, length = _axis("split", input, dim)
    sizes = [operator.index(n) for n in split_sizes]
    if sum(sizes) != length or any(n < 0 for n in sizes):
        raise RuntimeError(f"split needs sizes that add up to {length}, the size of axis {axis}; got {sizes}")
    return several(_cut(input, axis, [0, *itertools.accumulate(sizes)]))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many parts, all of one size but for the last.

    >>> import cnnkit
    >>> cnnkit.chunk(cnnkit.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    axis, length = _axis("chunk", input, dim)
    if chunks < 1:
        raise RuntimeError(f"chunk needs 1 part or more; got {chunks}")
    return split(input, -(-length // chunks), axis) if length else several(
        _cut(input, axis, [0] * (chunks + 1)))


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts, the first ones larger by one where they cannot be equal; or cut at these positions.

    >>> import cnnkit
    >>> cnnkit.tensor_split(cnnkit.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    >>> cnnkit.tensor_split(cnnkit.tensor([1, 2, 3]), (1,))
    (tensor([1]), tensor([2, 3]))
    """
    axis, length = _axis("tensor_split", input, dim)
    where = indices_or_sections
    if isinstance(where, Value):
        where = where.tolist()
    if isinstance(where, Sequence):
        cuts = [operator.index(n) for n in where]
        cuts = [min(max(n + length if n < 0 else n, 0), length) for n in cuts]
        pairs = zip([0, *cuts], [*cuts, length])
        return tuple([_part(input, axis, start, max(start, stop)) for start, stop in pairs])
    parts = operator.index(where)
    if parts < 1:
        raise RuntimeError(f"tensor_split needs 1 part or more; got {parts}")
    size, larger = divmod(length, parts)
    sizes = [size + 1] * larger + [size] * (parts - larger)
    return _cut(input, axis, [0, *itertools.accumulate(sizes)])


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along the second axis (of a vector the first), or cut at these positions.

    >>> import cnnkit
    >>> cnnkit.hsplit(cnnkit.tensor([[1, 2]]), 2)
    (tensor([[1]]), tensor([[2]]))
    """
    return _equal("hsplit", input, indices_or_sections, 1 if input.ndim > 1 else 0, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along the first axis, or cut at these positions.

    >>> import cnnkit
    >>> cnnkit.vsplit(cnnkit.tensor([[1], [2]]), 2)
    (tensor([[1]]), tensor([[2]]))
    """
    return _equal("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts along the third axis, or cut at these positions.

    >>> import cnnkit
    >>> cnnkit.dsplit(cnnkit.tensor([[[1, 2]]]), 2)
    (tensor([[[1]]]), tensor([[[2]]]))
    """
    return _equal("dsplit", input, indices_or_sections, 2, 3)


def _equal(name: str, input: Tensor, where: Any, axis: int, ndim: int) -> tuple[Tensor, ...]:
    if input.ndim < ndim:
        raise RuntimeError(f"{name} needs a Tensor with {ndim} axes or more; got shape {input.shape}")
    if not isinstance(where, Sequence) and (where < 1 or input.shape[axis] % where):
        raise RuntimeError(f"{name} cannot cut axis {axis} of size {input.shape[axis]} into {where} equal "
                           "parts")
    return tensor_split(input, where, axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without that axis.

    >>> import cnnkit
    >>> cnnkit.unbind(cnnkit.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    if not input.shape:
        raise IndexError("unbind needs a Tensor with axes")
    axis, length = _axis("unbind", input, dim)
    before = (slice(None),) * axis
    return several(tuple([apply(indexing.getitem, input, index=(*before, i)) for i in range(length)]))


unstack = unbind
unsafe_chunk = chunk
unsafe_split = split


# -- cutting -------------------------------------------------------------------------------------------------

def _axis(name: str, input: Value, dim: int) -> tuple[int, int]:
    """An axis and its size."""
    if not input.shape:
        raise RuntimeError(f"{name} needs a Tensor with axes")
    axis = axis_of(name, dim, input.ndim)
    return axis, input.shape[axis]


def _cut(input: Value, axis: int, ends: list[int]) -> tuple[Tensor, ...]:
    """The parts between neighbouring positions."""
    return tuple([_part(input, axis, start, stop) for start, stop in itertools.pairwise(ends)])


def _part(input: Value, axis: int, start: int, stop: int) -> Tensor:
    return apply(indexing.getitem, input, index=(*(slice(None),) * axis, slice(start, stop)))


class SplittingMethods(Value):
    """What splits a Tensor, as its methods."""

    __slots__ = ()

    split_with_sizes = split_with_sizes
    chunk = chunk
    tensor_split = tensor_split
    hsplit = hsplit
    vsplit = vsplit
    dsplit = dsplit
    unbind = unbind

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Parts of one size, of which the last may be smaller; or of the sizes in a list."""
        return split(self, split_size, dim)  # type: ignore[arg-type]
