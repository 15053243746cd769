"""Functions that sort, find the largest or smallest elements, or those so far, and search what is sorted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.raw import of_one_dtype, positions_like, without_tape
from cnnkit.autograd.value import Value
from cnnkit.backends import backend_of
from cnnkit.foreign import device_of
from cnnkit.ops import gathering, ordering

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["argsort", "bucketize", "cummax", "cummin", "kthvalue", "mode", "msort", "searchsorted", "sort",
           "topk"]


class Sorted(NamedTuple):
    """Elements, and where they were along the axis."""

    values: Any
    indices: Any


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Sorted:
    """The elements in order along an axis, and where they were; NaN counts as the largest.

    Parameters
    ----------
    dim : int
        The axis.
    descending : bool
        The largest first.
    stable : bool
        Equal elements stay in order; here they always do.

    Returns
    -------
    values, indices : Tensor
        A named tuple; the gradient goes where the values were.

    >>> import cnnkit
    >>> cnnkit.sort(cnnkit.tensor([3.0, 1.0, 2.0]))
    Sorted(values=tensor([1., 2., 3.]), indices=tensor([1, 2, 0]))
    """
    axis = axis_of("sort", dim, input.ndim)
    x = input if input.shape else input.reshape(1)
    where = without_tape("sort", ordering.order, x, axis=axis, descending=descending)
    return Sorted(_along(x, where, axis).reshape(input.shape), where.reshape(input.shape))


def _along(x: Value, where: Value, axis: int) -> Tensor:
    return apply(gathering.take_along_axis, x, where, axis=axis)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The positions that sort the elements along an axis.

    >>> import cnnkit
    >>> cnnkit.argsort(cnnkit.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    axis = axis_of("argsort", dim, input.ndim)
    x = input if input.shape else input.reshape(1)
    return without_tape("argsort", ordering.order, x, axis=axis, descending=descending).reshape(input.shape)


def msort(input: Tensor) -> Tensor:
    """The elements in order along the first axis.

    >>> import cnnkit
    >>> cnnkit.msort(cnnkit.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """The `k` largest (or smallest) elements along an axis, in order, and where they were.

    Raises
    ------
    RuntimeError
        If there are not so many.

    >>> import cnnkit
    >>> cnnkit.topk(cnnkit.tensor([3.0, 1.0, 2.0]), 2)
    Sorted(values=tensor([3., 2.]), indices=tensor([0, 2]))
    """
    axis = axis_of("topk", dim, input.ndim)
    x = input if input.shape else input.reshape(1)
    if not 0 <= k <= x.shape[axis]:
        raise RuntimeError(f"topk needs a k of 0 to {x.shape[axis]}, the size of axis {axis}; got {k}")
    where = without_tape("topk", ordering.order, x, axis=axis, descending=largest)
    where = where[(*(slice(None),) * axis, slice(k))]
    values = _along(x, where, axis)
    return Sorted(values, where) if input.shape or not k else Sorted(values.reshape(()), where.reshape(()))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The `k`-th smallest element along an axis, counted from 1, and where it was.

    >>> import cnnkit
    >>> cnnkit.kthvalue(cnnkit.tensor([3.0, 1.0, 2.0]), 2)
    Sorted(values=tensor(2.), indices=tensor(2))
    """
    axis = axis_of("kthvalue", dim, input.ndim)
    x = input if input.shape else input.reshape(1)
    if not 1 <= k <= x.shape[axis]:
        raise RuntimeError(f"kthvalue needs a k of 1 to {x.shape[axis]}, the size of axis {axis}; got {k}")
    where = without_tape("kthvalue", ordering.order, x, axis=axis, descending=False)
    where = where[(*(slice(None),) * axis, slice(k - 1, k))]
    shape = tuple([n for i, n in enumerate(where.shape) if i != axis]) if not keepdim else where.shape
    shape = shape if input.shape else ()
    return Sorted(_along(x, where, axis).reshape(shape), where.reshape(shape))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The most frequent element along an axis, the smallest of several, and where it is last.

    >>> import cnnkit
    >>> cnnkit.mode(cnnkit.tensor([3, 1, 1, 3, 2]))
    Sorted(values=tensor(1), indices=tensor(2))
    """
    axis = axis_of("mode", dim, input.ndim)
    if not input.shape:
        return Sorted(input.clone(), input.new_zeros((), dtype="int64"))
    ordered, places = sort(input.detach().movedim(axis, -1))
    if not ordered.shape[-1]:
        raise IndexError(f"mode needs at least one element along axis {axis}; the shape is {input.shape}")
    positions = positions_like(ordered, ordered.shape[-1])
    begins = (ordered != ordered.roll(1, -1)) | (positions == 0)
    run = positions - cummax(positions * begins, -1).values  # how many equal ones came before
    where = places.gather(-1, run.argmax(-1, keepdim=True)).movedim(-1, axis)
    values = input.gather(axis, where)
    return Sorted(values, where) if keepdim else Sorted(values.squeeze(axis), where.squeeze(axis))


def cummax(input: Tensor, dim: int) -> Sorted:
    """The largest element so far along an axis, and where it is: the last of equal ones. NaN stays.

    Returns
    -------
    values, indices : Tensor
        A named tuple; the gradient goes to the elements at the indices.

    >>> import cnnkit
    >>> cnnkit.cummax(cnnkit.tensor([1.0, 3.0, 2.0, 3.0]), 0)
    Sorted(values=tensor([1., 3., 3., 3.]), indices=tensor([0, 1, 1, 3]))
    """
    return _so_far("cummax", input, dim, True)


def cummin(input: Tensor, dim: int) -> Sorted:
    """The smallest element so far along an axis, and where it is; see `cummax`.

    >>> import cnnkit
    >>> cnnkit.cummin(cnnkit.tensor([2.0, 3.0, 1.0]), 0).values
    tensor([2., 2., 1.])
    """
    return _so_far("cummin", input, dim, False)


def _so_far(name: str, input: Tensor, dim: int, largest: bool) -> Sorted:
    axis = axis_of(name, dim, input.ndim)
    x = input if input.shape else input.reshape(1)
    where = without_tape(name, ordering.running_extreme, x, axis=axis, largest=largest)
    return Sorted(_along(x, where, axis).reshape(input.shape), where.reshape(input.shape))


# -- searching -----------------------------------------------------------------------------------------------

def searchsorted(sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None, sorter: Tensor | None = None) -> Tensor:
    """Where elements go into a sorted sequence, so that it stays sorted.

    Parameters
    ----------
    sorted_sequence : Tensor, (..., n)
        Sorted along its last axis.
    input : Tensor, (..., m), or number
        What is searched in the sequence at the same place; of any shape where there is one sequence.
    out_int32 : bool
        Positions of int32.
    right, side : bool, {"left", "right"}
        Behind the elements that are equal, instead of before them.
    sorter : Tensor of int64, (..., n), optional
        The positions that sort a sequence that is not sorted.

    >>> import cnnkit
    >>> cnnkit.searchsorted(cnnkit.tensor([1, 3, 3]), cnnkit.tensor([3, 4]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted has side 'left' and 'right'; got {side!r}")
    if right and side == "left":
        raise RuntimeError("searchsorted got right=True and side='left', which contradict each other")
    sequence = sorted_sequence
    if not sequence.shape:
        raise RuntimeError("searchsorted needs a sequence with an axis")
    if sorter is not None:
        if sorter.shape != sequence.shape:
            raise RuntimeError(f"searchsorted needs a sorter of shape {sequence.shape}; got {sorter.shape}")
        sequence = _along(sequence, sorter, sequence.ndim - 1)
    if not isinstance(input, Value):
        array = sequence.array
        input = Value.result._of(backend_of(array).asarray(input, array.dtype, device_of(array)))
    sequence, input = of_one_dtype("searchsorted", (sequence, input))
    *before, n = sequence.shape
    if before and tuple(before) != input.shape[:-1]:
        raise RuntimeError(f"searchsorted got sequences of shape {sequence.shape} and values of shape "
                           f"{input.shape}; all axes but the last must agree")
    rows = math.prod(before)
    found = without_tape("searchsorted", ordering.search, sequence.detach().reshape(rows, n),
                         input.detach().reshape(rows, input.numel() // rows if rows else 0),
                         right=right or side == "right").reshape(input.shape)
    return found.to(dtype="int32") if out_int32 else found


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Which of the buckets between sorted boundaries each element is in.

    >>> import cnnkit
    >>> cnnkit.bucketize(cnnkit.tensor([0, 3, 9]), cnnkit.tensor([1, 3, 5]))
    tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize needs boundaries of shape (n,); got {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


class SortingMethods(Value):
    """What sorts, as a Tensor's methods."""

    __slots__ = ()

    sort = sort
    argsort = argsort
    cummax = cummax
    cummin = cummin
    msort = msort
    topk = topk
    kthvalue = kthvalue
    mode = mode
