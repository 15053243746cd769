"""Functions that find equal elements, count them, or repeat them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.raw import as_dtype, of_one_dtype, without_tape
from cnnkit.autograd.value import Value
from cnnkit.backends import backend_of, dtype_name, namespace_of, on
from cnnkit.foreign import device_of
from cnnkit.ops import elementwise, gathering, ordering, shaping
from cnnkit.ops.dtypes import is_floating, is_integer, need_floating

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["bincount", "histc", "isin", "repeat_interleave", "unique", "unique_consecutive"]


# -- equal elements ------------------------------------------------------------------------------------------

def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
           dim: int | None = None) -> Any:
    """The different elements, or the different slices along an axis, in order.

    Parameters
    ----------
    sorted : bool
        Here they are in order always.
    return_inverse : bool
        Also where each element of `input` is among them.
    return_counts : bool
        Also how often each occurs.
    dim : int, optional
        The axis whose slices are compared; by default elements are.

    Returns
    -------
    output, inverse, counts : Tensor
        Without gradients; a tuple where more than the first is asked for.

    >>> import cnnkit
    >>> cnnkit.unique(cnnkit.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    return _unique("unique", input, True, return_inverse, return_counts, dim)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False,
                       dim: int | None = None) -> Any:
    """The elements (or slices along an axis) without those that equal the one before; see `unique`.

    >>> import cnnkit
    >>> cnnkit.unique_consecutive(cnnkit.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _unique("unique_consecutive", input, False, return_inverse, return_counts, dim)


def _unique(name: str, input: Tensor, sort: bool, inverse: bool, counts: bool, dim: int | None) -> Any:
    x = input.detach()
    if dim is None:
        slices, shape = x.reshape(x.numel()), input.shape
    else:
        axis = axis_of(name, dim, input.ndim)
        slices = x.movedim(axis, 0) if x.shape else x.reshape(1)
        if 0 in slices.shape[1:]:
            raise RuntimeError(f"{name} cannot compare slices without elements; got shape {input.shape} and "
                               f"dim {dim}")
        shape = slices.shape[:1]
    width = math.prod(slices.shape[1:])
    first, run, length = without_tape(name, ordering.runs, slices.reshape(slices.shape[0], width), sort=sort)
    different = apply(gathering.take, slices, first, axis=0)
    if dim is not None and input.shape:
        different = different.movedim(0, axis)
    results = (different, *([run.reshape(shape)] if inverse else []), *([length] if counts else []))
    return results if len(results) > 1 else different


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is one of others.

    Parameters
    ----------
    elements, test_elements : Tensor or number
        One of them at least is a Tensor.
    assume_unique : bool
        PyTorch's; it changes nothing here.
    invert : bool
        Whether it is none of them.

    >>> import cnnkit
    >>> cnnkit.isin(cnnkit.tensor([1, 2, 3]), cnnkit.tensor([2, 5]))
    tensor([False,  True, False])
    """
    given = elements if isinstance(elements, Value) else test_elements
    if not isinstance(given, Value):
        raise TypeError("isin needs a Tensor among its two arguments; "
                        f"got {type(elements).__name__} and {type(test_elements).__name__}")
    array = given.array
    pair = [v if isinstance(v, Value) else Value.result._of(
        backend_of(array).asarray(v, "float64" if isinstance(v, float) else "int64", device_of(array)))
        for v in (elements, test_elements)]
    x, test = (v.detach() for v in of_one_dtype("isin", pair))
    found = without_tape("isin", ordering.contained, x, test.reshape(test.numel()))
    return found == False if invert else found  # noqa: E712 - an array of bools


# -- counting ------------------------------------------------------------------------------------------------

def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on occurs, or the sum of the weights where it does.

    >>> import cnnkit
    >>> cnnkit.bincount(cnnkit.tensor([0, 2, 2]), minlength=4)
    tensor([1, 0, 2, 0])
    """
    if input.ndim != 1 or not is_integer(input.dtype):
        raise RuntimeError("bincount needs integers of shape (n,); got "
                           f"{dtype_name(input.dtype)} of shape {input.shape}")
    if operator.index(minlength) < 0:
        raise RuntimeError(f"bincount needs a minlength of 0 or more; got {minlength}")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError(f"bincount needs weights of shape {input.shape}; got {weights.shape}")
    index, size = as_dtype(input, "int64"), minlength
    if index.numel():
        array = index.array
        with on(array):
            lowest, highest = (int(f(array)) for f in (namespace_of(array).min, namespace_of(array).max))
        if lowest < 0:
            raise RuntimeError(f"bincount counts numbers from 0 on; got {lowest}")
        size = max(size, highest + 1)
    if weights is None:
        return without_tape("bincount", ordering.counts, index, size=size)
    values = weights if is_floating(weights.dtype) else as_dtype(weights, "float64")
    return apply(gathering.scatter_add, values, index, axis=0, size=size)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements are in each of `bins` equal ranges from `min` to `max`; of others none are counted.

    Where both are equal, they are the least and the greatest element.

    >>> import cnnkit
    >>> cnnkit.histc(cnnkit.tensor([1.0, 2.0, 2.0]), bins=3, min=0, max=3)
    tensor([0., 1., 2.])
    """
    need_floating("histc", input.dtype)
    if bins < 1 or min > max:
        raise RuntimeError(f"histc needs 1 bin or more and a min below its max; got {bins}, {min} and {max}")
    x = input.detach().reshape(input.numel())
    xp = namespace_of(x.array)
    low, high = float(min), float(max)
    if low == high and x.numel():
        with on(x.array):
            low, high = float(xp.min(x.array)), float(xp.max(x.array))
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"histc needs finite ends; got {low} and {high}")
    counted = x[x >= low]
    counted = counted[counted <= high]
    place = as_dtype((counted - low) / (high - low) * bins, "int64")
    place = apply(elementwise.clip, place, min=None, max=bins - 1)
    return as_dtype(without_tape("histc", ordering.counts, place, size=bins), x.dtype)


# -- repeating -----------------------------------------------------------------------------------------------

def repeat_interleave(input: Tensor, repeats: Any = None, dim: int | None = None, *,
                      output_size: int | None = None) -> Tensor:
    """Each element (or slice along an axis) repeated, one after the other.

    Parameters
    ----------
    repeats : int or Tensor of integers, (n,)
        How many times, for all or for each. Alone, as ``repeat_interleave(repeats)``, it repeats the
        positions 0, 1, 2, ...
    dim : int, optional
        The axis; by default the flattened Tensor is repeated.
    output_size : int, optional
        The sum of `repeats`, which spares a device that it is waited for.

    >>> import cnnkit
    >>> cnnkit.repeat_interleave(cnnkit.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> cnnkit.repeat_interleave(cnnkit.tensor([1, 2]), cnnkit.tensor([0, 3]))
    tensor([2, 2, 2])
    """
    if repeats is None:
        return _repeated_positions(input, output_size)
    x = input.ravel() if dim is None or not input.shape else input
    axis = axis_of("repeat_interleave", -1 if dim is None else dim, x.ndim)
    if isinstance(repeats, Value):
        if repeats.ndim > 1 or repeats.numel() not in (1, x.shape[axis]):
            raise RuntimeError(f"repeat_interleave needs one number of times or {x.shape[axis]}, the size of "
                               f"axis {axis}; got repeats of shape {repeats.shape}")
        counts = apply(shaping.expand, repeats, shape=(x.shape[axis],))
        positions = _repeated_positions(counts, output_size)
        return apply(gathering.take, x, positions, axis=axis)
    times, shape = operator.index(repeats), x.shape
    if times < 0:
        raise RuntimeError(f"repeat_interleave repeats 0 times or more; got {times}")
    y = x.unsqueeze(axis + 1).expand(*shape[:axis + 1], times, *shape[axis + 1:])
    return y.reshape(*shape[:axis], shape[axis] * times, *shape[axis + 1:])


def _repeated_positions(counts: Tensor, total: int | None) -> Tensor:
    if counts.ndim != 1 or not is_integer(counts.dtype):
        raise RuntimeError("repeat_interleave needs repeats of int64 and shape (n,); got "
                           f"{dtype_name(counts.dtype)} of shape {counts.shape}")
    array = counts.array
    xp, backend = namespace_of(array), backend_of(array)
    with on(array):
        if 0 in array.shape:
            nothing: Any = Value.result._of(xp.zeros((0,), dtype=backend.dtype("int64"),
                                                     device=device_of(array)))
            return nothing
        if int(xp.min(array)) < 0:
            raise RuntimeError("repeat_interleave repeats 0 times or more; got a negative number")
        total = int(xp.sum(array)) if total is None else total
    return without_tape("repeat_interleave", ordering.repeated, counts, total=total)


class CountingMethods(Value):
    """What finds equal elements, counts or repeats them, as a Tensor's methods."""

    __slots__ = ()

    unique = unique
    unique_consecutive = unique_consecutive
    bincount = bincount
    histc = histc
    repeat_interleave = repeat_interleave
