"""Functions that select elements by positions and by masks, and say where elements are not 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.raw import as_dtype, without_tape
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name, namespace_of
from cnnkit.foreign import is_array
from cnnkit.ops import elementwise, gathering
from cnnkit.ops.broadcasting import broadcast_shape

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["argwhere", "gather", "index_select", "masked_fill", "masked_select", "nonzero", "take",
           "take_along_dim", "unravel_index"]


def need_positions(name: str, index: Any) -> None:
    """Raise a TypeError where `index` is no Tensor of signed integers."""
    if not is_array(index) or not gathering.is_signed(index.dtype):
        found = dtype_name(index.dtype) if is_array(index) else type(index).__name__
        raise TypeError(f"{name} needs a Tensor of int64 positions (or smaller signed integers); got {found}")


def need_mask(name: str, mask: Any) -> None:
    """Raise a RuntimeError where `mask` is no Tensor of bools."""
    if not is_array(mask) or dtype_name(mask.dtype) != "bool":
        found = dtype_name(mask.dtype) if is_array(mask) else type(mask).__name__
        raise (RuntimeError if is_array(mask) else TypeError)(f"{name} needs a mask of bools; got {found}")


# -- by positions --------------------------------------------------------------------------------------------

def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `input` at some positions along an axis.

    Parameters
    ----------
    input : Tensor
        The table.
    dim : int
        The axis of the positions.
    index : Tensor of int64 (or smaller signed integers), (n,)
        Negative ones count from the end.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If `index` has more than one axis.
    TypeError
        If `index` holds no signed integers.

    >>> import cnnkit
    >>> cnnkit.index_select(cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 1, cnnkit.tensor([2, 0, 2]))
    tensor([[3., 1., 3.],
            [6., 4., 6.]])
    """
    need_positions("index_select", index)
    if len(index.shape) > 1:
        raise ValueError(f"index_select needs positions of shape (n,); got {tuple(index.shape)}")
    axis = axis_of("index_select", dim, input.ndim)
    if not input.shape:
        return input.reshape(1)[index].reshape(())
    return input[(slice(None),) * axis + (index.reshape(-1) if not index.shape else index,)]


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The element at each position along an axis: ``y[i, j] = x[i, index[i, j]]`` for `dim` 1 of 2.

    Parameters
    ----------
    input : Tensor
        The table.
    dim : int
        The axis of the positions.
    index : Tensor of int64 (or smaller signed integers), with as many axes as `input`
        Along the other axes it may be shorter than `input`. Negative positions count from the end.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If `index` is longer than `input` along another axis than `dim`.
    TypeError
        If `index` holds no signed integers.

    >>> import cnnkit
    >>> scores, labels = cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), cnnkit.tensor([[2], [0]])
    >>> cnnkit.gather(scores, 1, labels)
    tensor([[3.],
            [4.]])
    """
    axis, sizes = axis_of("gather", dim, input.ndim), tuple(getattr(index, "shape", ()))
    if 0 in sizes:  # of any dtype, and with any number of axes
        return input.ravel()[:0].reshape(sizes)
    need_positions("gather", index)
    if max(len(sizes), input.ndim) < 2 and not (sizes and input.shape):
        return input.reshape(-1)[index.reshape(-1)].reshape(sizes)  # without axes it is one of one element
    if len(sizes) != input.ndim or any(n > m for i, (n, m) in enumerate(zip(sizes, input.shape))
                                       if i != axis):
        raise ValueError(f"gather along axis {axis} got positions of shape {sizes} for a Tensor of shape "
                         f"{input.shape}: along the other axes they must not be longer")
    part = input[tuple([slice(None) if i == axis else slice(n) for i, n in enumerate(sizes)])]
    return apply(gathering.take_along_axis, part, index, axis=axis)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with shapes that broadcast along the other axes.

    Parameters
    ----------
    input : Tensor
        The table.
    indices : Tensor of int64 (or smaller signed integers)
        Positions along `dim`; negative ones count from the end.
    dim : int, optional
        The axis of the positions; by default both Tensors are flattened.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If the shapes do not broadcast.
    TypeError
        If `indices` holds no signed integers.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> cnnkit.take_along_dim(x, cnnkit.tensor([[-1]]), 1)
    tensor([[3.],
            [6.]])
    """
    need_positions("take_along_dim", indices)
    if dim is None:
        return input.ravel()[Value.result(indices).ravel()]  # type: ignore[attr-defined]
    return apply(gathering.take_along_axis, input, indices,
                 axis=axis_of("take_along_dim", dim, input.ndim))


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at positions in the flattened Tensor.

    >>> import cnnkit
    >>> cnnkit.take(cnnkit.tensor([[1, 2], [3, 4]]), cnnkit.tensor([[3], [0]]))
    tensor([[4],
            [1]])
    """
    need_positions("take", index)
    return input.ravel()[index]


# -- by masks ------------------------------------------------------------------------------------------------

def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value`, a number or a Tensor without axes, where the mask holds; elsewhere the elements of `input`.

    >>> import cnnkit
    >>> cnnkit.masked_fill(cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([True, False]), 0)
    tensor([0., 2.])
    """
    need_mask("masked_fill", mask)
    return apply(elementwise.where, mask, filling("masked_fill", input, value), input)


def filling(name: str, input: Value, value: Any) -> Any:
    """A number, or a Tensor without axes, in the dtype of `input`."""
    if isinstance(value, Value):
        if value.shape:
            raise RuntimeError(f"{name} needs a number or a Tensor without axes; got shape {value.shape}")
        return as_dtype(value, input.dtype)
    name_of_dtype = dtype_name(input.dtype)
    return value if "float" in name_of_dtype else bool(value) if name_of_dtype == "bool" else int(value)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, along one axis; the shapes broadcast.

    >>> import cnnkit
    >>> cnnkit.masked_select(cnnkit.tensor([1, 2, 3]), cnnkit.tensor([True, False, True]))
    tensor([1, 3])
    """
    need_mask("masked_select", mask)
    shape = broadcast_shape("masked_select", (input.shape, mask.shape))
    x, mask = input.expand(shape), mask.expand(shape)
    return x.reshape(-1)[mask.reshape(-1)] if 0 not in shape else x.reshape(0)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not 0: rows (n, axes), or a tuple of (n,) for each axis.

    >>> import cnnkit
    >>> cnnkit.nonzero(cnnkit.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    x = input if input.shape else input.reshape(1)
    found = without_tape("nonzero", lambda array: tuple(namespace_of(array).nonzero(array)), x)
    if as_tuple:
        return found
    if not input.shape:
        return found[0].reshape(-1 if found[0].shape[0] else 0, 1)[:, :0]
    return without_tape("nonzero", lambda *arrays: namespace_of(arrays[0]).stack(arrays, axis=1), *found)


def argwhere(input: Tensor) -> Tensor:
    """The positions of the elements that are not 0, as rows.

    >>> import cnnkit
    >>> cnnkit.argwhere(cnnkit.tensor([0, 1, 2]))
    tensor([[1],
            [2]])
    """
    return nonzero(input)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The positions along each axis of positions in a Tensor of this shape that is flattened.

    >>> import cnnkit
    >>> cnnkit.unravel_index(cnnkit.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    need_positions("unravel_index", indices)
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)

    def split(flat: Any) -> tuple:
        found: list = []
        flat = gathering.positions(flat, math.prod(sizes), 0)
        for n in reversed(sizes):
            found.insert(0, flat % n)
            flat = flat // n
        return tuple(found)
    return without_tape("unravel_index", split, indices)


class SelectingMethods(Value):
    """What selects elements, as a Tensor's methods."""

    __slots__ = ()

    index_select = index_select
    gather = gather
    take_along_dim = take_along_dim
    take = take
    masked_fill = masked_fill
    masked_select = masked_select
    nonzero = nonzero
    argwhere = argwhere
