"""Functions that join Tensors: one after the other, along a new axis, as blocks, in all combinations."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.moving import broadcast_tensors
from cnnkit.autograd.functions.raw import of_one_dtype
from cnnkit.autograd.value import Value
from cnnkit.backends import backend_of
from cnnkit.foreign import device_of
from cnnkit.ops import shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cartesian_prod", "cat", "column_stack",
           "combinations", "concat", "concatenate", "dstack", "hstack", "meshgrid", "row_stack", "stack",
           "vstack"]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors along an axis that they have; those of shape (0,) are left out.

    Raises
    ------
    ValueError
        If there are none, or their shapes differ along another axis.

    >>> import cnnkit
    >>> cnnkit.cat([cnnkit.tensor([1.0]), cnnkit.tensor([2.0, 3.0])])
    tensor([1., 2., 3.])
    """
    tensors = of_one_dtype("cat", tensors)
    shapes = [x.shape for x in tensors]
    if (0,) in shapes and any(s != (0,) for s in shapes):  # as PyTorch does, whatever the others' axes are
        tensors = [x for x, s in zip(tensors, shapes) if s != (0,)]
        shapes = [x.shape for x in tensors]
    if () in shapes:
        raise RuntimeError("cat joins along an axis, and a Tensor without axes has none: use stack")
    axis = axis_of("cat", dim, len(shapes[0]))
    if len({(len(s), s[:axis], s[axis + 1:]) for s in shapes}) > 1:
        raise ValueError(f"cat along axis {axis} got shapes {', '.join(map(str, shapes))}; "
                         "all other axes must agree")
    return apply(shaping.concat, *tensors, axis=axis)


concatenate = cat
concat = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises
    ------
    ValueError
        If there are none, or their shapes differ.

    >>> import cnnkit
    >>> cnnkit.stack([cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([3.0, 4.0])], dim=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    tensors = of_one_dtype("stack", tensors)
    shapes = [x.shape for x in tensors]
    if len(set(shapes)) != 1:
        raise ValueError(f"stack needs Tensors of one shape; got {', '.join(map(str, shapes))}")
    axis = axis_of("stack", dim, len(shapes[0]) + 1)
    return apply(shaping.concat, *[x.unsqueeze(axis) for x in tensors], axis=axis)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join Tensors along their second axis; vectors along their only one.

    >>> import cnnkit
    >>> cnnkit.hstack([cnnkit.tensor([[1], [2]]), cnnkit.tensor([[3], [4]])])
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = [atleast_1d(x) for x in tensors]
    return cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join Tensors along their first axis; vectors are rows.

    >>> import cnnkit
    >>> cnnkit.vstack([cnnkit.tensor([1, 2]), cnnkit.tensor([[3, 4]])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([atleast_2d(x) for x in tensors], 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join Tensors along their third axis.

    >>> import cnnkit
    >>> cnnkit.dstack([cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join Tensors along their second axis; vectors and numbers are columns.

    >>> import cnnkit
    >>> cnnkit.column_stack([cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat([x.reshape(x.numel(), 1) if x.ndim < 2 else x for x in tensors], 1)


# -- at least so many axes -----------------------------------------------------------------------------------

def _mapped(change: Callable, tensors: tuple) -> Any:
    """A function of one Tensor, of several, or of a list of them."""
    if len(tensors) == 1 and not isinstance(tensors[0], tuple | list):
        return change(tensors[0])
    several = tensors[0] if len(tensors) == 1 else tensors
    return tuple([change(x) for x in several])


def atleast_1d(*tensors: Any) -> Any:
    """Tensors with one axis or more.

    >>> import cnnkit
    >>> cnnkit.atleast_1d(cnnkit.tensor(1.0))
    tensor([1.])
    """
    return _mapped(lambda x: x if x.ndim else x.reshape(1), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with two axes or more: a vector becomes a row.

    >>> import cnnkit
    >>> cnnkit.atleast_2d(cnnkit.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """
    return _mapped(lambda x: x if x.ndim > 1 else x.reshape(1, x.numel()), tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with three axes or more: a vector becomes (1, n, 1), a matrix (n, m, 1).

    >>> import cnnkit
    >>> cnnkit.atleast_3d(cnnkit.tensor([1.0, 2.0])).shape
    (1, 2, 1)
    """
    def change(x: Tensor) -> Tensor:
        return x if x.ndim > 2 else x.unsqueeze(-1) if x.ndim == 2 else x.reshape(1, x.numel(), 1)
    return _mapped(change, tensors)


# -- blocks and combinations ---------------------------------------------------------------------------------

def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix of zeros with these matrices (rows, numbers) along its diagonal.

    >>> import cnnkit
    >>> cnnkit.block_diag(cnnkit.tensor([[1, 2]]), cnnkit.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    if any(x.ndim > 2 for x in tensors):
        raise RuntimeError("block_diag takes matrices, vectors and numbers; got shapes "
                           f"{', '.join(str(x.shape) for x in tensors)}")
    blocks = of_one_dtype("block_diag", [atleast_2d(x) for x in tensors])
    width, left, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        right = width - left - x.shape[1]
        rows.append(apply(shaping.pad, x, pads=((0, 0), (left, right)), value=0))
        left += x.shape[1]
    return apply(shaping.concat, *rows, axis=0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of vectors' elements: the i-th result has the i-th vector's elements along axis i.

    Parameters
    ----------
    *tensors : Tensor, () or (n,)
        The vectors, or one list of them.
    indexing : {"ij", "xy"}
        "xy" swaps the first two axes of every result; by default "ij".

    >>> import cnnkit
    >>> x, y = cnnkit.meshgrid(cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4, 5]), indexing="ij")
    >>> x
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid has indexing "ij" and "xy"; got {indexing!r}')
    if not tensors or any(x.ndim > 1 for x in tensors):
        raise RuntimeError("meshgrid takes vectors and numbers; got shapes "
                           f"{', '.join(str(x.shape) for x in tensors) or 'none'}")
    if len({x.dtype for x in tensors}) > 1:
        raise RuntimeError("meshgrid needs vectors of one dtype")
    swapped = indexing == "xy" and len(tensors) > 1
    places = [1, 0, *range(2, len(tensors))] if swapped else range(len(tensors))
    return broadcast_tensors(*[x.reshape([x.numel() if i == place else 1 for i in range(len(tensors))])
                               for x, place in zip(tensors, places)])


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every combination of one element of each vector, as rows.

    >>> import cnnkit
    >>> cnnkit.cartesian_prod(cnnkit.tensor([1, 2]), cnnkit.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    if any(x.ndim != 1 for x in tensors):
        raise RuntimeError("cartesian_prod takes vectors; got shapes "
                           f"{', '.join(str(x.shape) for x in tensors)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([x.ravel() for x in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of `r` of a vector's elements, as rows, in the order of `itertools.combinations`.

    >>> import cnnkit
    >>> cnnkit.combinations(cnnkit.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1 or operator.index(r) < 0:
        raise RuntimeError(f"combinations takes a vector and r of 0 or more; got shape {input.shape} and {r}")
    if r == 0:
        return input[:0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.shape[0]), r))
    if not rows:
        return input[:0].reshape(0, r)
    array = input.array
    return input[Value.result._of(backend_of(array).asarray(rows, "int64", device_of(array)))]
