"""Functions that give a Tensor with a part replaced: what an index, a mask or a slice selects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import WIDEST, runs_in
from cnnkit.autograd.functions.merging import merged
from cnnkit.autograd.functions.parts import select
from cnnkit.autograd.functions.raw import positions_like, without_tape
from cnnkit.autograd.functions.selecting import need_mask, need_positions
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.ops import gathering, shaping
from cnnkit.ops.broadcasting import broadcast_shape

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["diagonal_scatter", "index_put", "masked_scatter", "put", "select_scatter", "slice_scatter"]


@runs_in(WIDEST)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with ``input[indices]`` replaced by `values`, or with these added.

    Parameters
    ----------
    indices : tuple of Tensor
        Positions or masks, an axis each, as in ``input[indices]``; ``None`` is a whole axis.
    values : Tensor
        Of the dtype of `input`; it broadcasts to what is replaced.
    accumulate : bool
        Add, and add all of what comes to one position. Otherwise the last replaces the others.

    >>> import cnnkit
    >>> cnnkit.index_put(cnnkit.tensor([1, 2, 3]), (cnnkit.tensor([0, 2]),), cnnkit.tensor(7))
    tensor([7, 2, 7])
    """
    if not isinstance(indices, tuple | list):
        raise TypeError(f"index_put needs a tuple of Tensors as indices; got {type(indices).__name__}")
    index = tuple([slice(None) if i is None else i for i in indices])
    chosen = _positions(input)[index]
    return _placed("index_put", input, chosen, values, accumulate)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with the elements at positions in the flattened Tensor replaced, or with others added.

    >>> import cnnkit
    >>> cnnkit.put(cnnkit.tensor([[1, 2], [3, 4]]), cnnkit.tensor([3]), cnnkit.tensor([7]))
    tensor([[1, 2],
            [3, 7]])
    """
    need_positions("put", index)
    if math.prod(index.shape) != source.numel():
        raise ValueError("put needs as many elements as positions; "
                         f"got shapes {source.shape} and {index.shape}")
    checked = without_tape("put", gathering.positions, index, size=input.numel(), axis=0)
    return _placed("put", input, checked, source.reshape(index.shape), accumulate)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements where the mask holds replaced by those of `source`, one after the other.

    >>> import cnnkit
    >>> x, mask = cnnkit.tensor([1, 2, 3]), cnnkit.tensor([True, False, True])
    >>> cnnkit.masked_scatter(x, mask, cnnkit.tensor([7, 8]))
    tensor([7, 2, 8])
    """
    need_mask("masked_scatter", mask)
    shape = broadcast_shape("masked_scatter", (input.shape, mask.shape))
    x, mask = apply(shaping.expand, input, shape=shape), apply(shaping.expand, mask, shape=shape)
    chosen = mask.reshape(math.prod(shape)).nonzero(as_tuple=True)[0]
    if source.numel() < chosen.shape[0]:
        raise RuntimeError(f"masked_scatter needs {chosen.shape[0]} elements, as many as the mask has true "
                           f"ones; source has {source.numel()}")
    return _placed("masked_scatter", x, chosen, source.ravel()[:chosen.shape[0]])


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with ``select(input, dim, index)`` replaced.

    >>> import cnnkit
    >>> cnnkit.select_scatter(cnnkit.tensor([[1, 2], [3, 4]]), cnnkit.tensor([7, 8]), 0, 1)
    tensor([[1, 2],
            [7, 8]])
    """
    return _replaced("select_scatter", input, select(_positions(input), dim, index), src)


def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
                  step: int = 1) -> Tensor:
    """`input` with ``input[start:end:step]`` (along the axis `dim`) replaced.

    >>> import cnnkit
    >>> cnnkit.slice_scatter(cnnkit.tensor([1, 2, 3]), cnnkit.tensor([7, 8]), start=1)
    tensor([1, 7, 8])
    """
    chosen = _positions(input).movedim(dim, 0)[slice(start, end, step)].movedim(0, dim)
    return _replaced("slice_scatter", input, chosen, src)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with ``diagonal(input, offset, dim1, dim2)`` replaced.

    >>> import cnnkit
    >>> cnnkit.diagonal_scatter(cnnkit.tensor([[1, 2], [3, 4]]), cnnkit.tensor([7, 8]))
    tensor([[7, 2],
            [3, 8]])
    """
    return _replaced("diagonal_scatter", input, _positions(input).diagonal(offset, dim1, dim2), src)


# -- how -----------------------------------------------------------------------------------------------------

def _positions(input: Value) -> Tensor:
    """Each element's own position in the flattened Tensor: what selects elements selects positions too."""
    return positions_like(input, math.prod(input.shape)).reshape(input.shape)


def _replaced(name: str, input: Tensor, chosen: Tensor, src: Tensor) -> Tensor:
    if src.shape != chosen.shape:
        raise RuntimeError(f"{name} needs a src of shape {chosen.shape}; got {src.shape}")
    return _placed(name, input, chosen, src)


def _placed(name: str, input: Tensor, chosen: Tensor, values: Tensor, accumulate: bool = False) -> Tensor:
    if dtype_name(values.dtype) != dtype_name(input.dtype):
        raise RuntimeError(f"{name} needs a source of the Tensor's dtype, {dtype_name(input.dtype)}; "
                           f"got {dtype_name(values.dtype)}")
    if broadcast_shape(name, (chosen.shape, values.shape)) != chosen.shape:
        raise ValueError(f"{name} cannot put values of shape {values.shape} where {chosen.shape} fit")
    count = chosen.numel()
    row = values.expand(chosen.shape).reshape(count)
    return merged("sum" if accumulate else "last", input.reshape(input.numel()), chosen.reshape(count),
                  row).reshape(input.shape)


class PuttingMethods(Value):
    """What replaces a part, as a Tensor's methods."""

    __slots__ = ()

    index_put = index_put
    put = put
    masked_scatter = masked_scatter
    select_scatter = select_scatter
    slice_scatter = slice_scatter
    diagonal_scatter = diagonal_scatter
