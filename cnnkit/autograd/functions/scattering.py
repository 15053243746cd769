"""Functions that put or add elements at positions: what `gather` takes, these give back.

Each gives a new Tensor. Of several elements for one position the last counts, or all are added up, or what
``reduce`` says. Positions that are out of range raise an IndexError on every backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import WIDEST, runs_in
from cnnkit.autograd.functions.axes import axis_of
from cnnkit.autograd.functions.merging import merged
from cnnkit.autograd.functions.raw import as_dtype, without_tape
from cnnkit.autograd.functions.selecting import filling, need_positions
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.foreign import is_array
from cnnkit.ops import elementwise, gathering, segments

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "scatter", "scatter_add",
           "scatter_reduce"]


# -- single elements -----------------------------------------------------------------------------------------

def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
            reduce: str | None = None) -> Tensor:
    """`input` with elements replaced: ``y[i, index[i, j]] = src[i, j]`` for `dim` 1 of 2.

    Parameters
    ----------
    input : Tensor
        What is kept where no position is.
    dim : int
        The axis of the positions.
    index : Tensor of int64, with as many axes as `input`
        Along the other axes it may be shorter than `input`, and along all shorter than `src`.
    src : Tensor or number
        The new elements, of the dtype of `input`; a number may also be given as ``value=``.
    reduce : {"add", "multiply"}, optional
        Add to the elements, or multiply them, instead of replacing them.

    Raises
    ------
    IndexError
        If a position or `dim` is out of range.
    ValueError
        If `index` is longer than `input` or `src`.

    >>> import cnnkit
    >>> cnnkit.scatter(cnnkit.tensor([1.0, 2.0, 3.0]), 0, cnnkit.tensor([2, 0]), cnnkit.tensor([7.0, 8.0]))
    tensor([8., 2., 7.])
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter() needs src, a Tensor or a number")
    if reduce is not None:
        names = {"add": "sum", "multiply": "prod"}
        if reduce not in names:
            raise RuntimeError(f"scatter has reduce 'add' and 'multiply'; got {reduce!r}")
        return _scattered("scatter", input, dim, index, source, names[reduce])
    return _scattered("scatter", input, dim, index, source, "last")


@runs_in(WIDEST)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with elements added: ``y[i, index[i, j]] += src[i, j]`` for `dim` 1 of 2; see `scatter`.

    >>> import cnnkit
    >>> cnnkit.scatter_add(cnnkit.tensor([1.0, 1.0]), 0, cnnkit.tensor([0, 0]), cnnkit.tensor([2.0, 3.0]))
    tensor([6., 1.])
    """
    if not isinstance(src, Value):
        raise TypeError(f"scatter_add() needs a Tensor as src; got {type(src).__name__}")
    return _scattered("scatter_add", input, dim, index, src, "sum")


def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *,
                   include_self: bool = True) -> Tensor:
    """What the elements for each position give together: their sum, product, mean, maximum or minimum.

    Parameters
    ----------
    input, dim, index, src
        As for `scatter`.
    reduce : {"sum", "prod", "mean", "amax", "amin"}
        What is made of the elements for one position. Equal extremes share the gradient.
    include_self : bool
        Whether the element of `input` is one of them.

    >>> import cnnkit
    >>> x, index, src = cnnkit.tensor([1.0, 1.0]), cnnkit.tensor([0, 0, 1]), cnnkit.tensor([2.0, 6.0, 3.0])
    >>> cnnkit.scatter_reduce(x, 0, index, src, "mean", include_self=False)
    tensor([4., 3.])
    """
    return _scattered("scatter_reduce", input, dim, index, src, _reduction("scatter_reduce", reduce),
                      include_self)


def _reduction(name: str, reduce: str) -> str:
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"{name} has reduce 'sum', 'prod', 'mean', 'amax' and 'amin'; got {reduce!r}")
    return reduce


def _scattered(name: str, input: Tensor, dim: int, index: Tensor, src: Any, reduce: str,
               include_self: bool = True) -> Tensor:
    need_positions(name, index)
    axis = axis_of(name, dim, input.ndim)
    shape, sizes = input.shape or (1,), tuple(index.shape) or (1,)
    if 0 in sizes:
        return input.clone()
    if len(sizes) != len(shape) or any(n > m for i, (n, m) in enumerate(zip(sizes, shape)) if i != axis):
        raise ValueError(f"{name} along axis {axis} got positions of shape {tuple(index.shape)} for a Tensor "
                         f"of shape {input.shape}: along the other axes they must not be longer")
    if is_array(src):
        src = _part_of_source(name, input, src, sizes)
    else:
        src = apply(elementwise.where, apply(elementwise.equal, index, index), filling(name, input, src),
                    as_dtype(index, input.dtype))
    flat = without_tape(name, segments.flat_positions, index.reshape(sizes), shape=shape, axis=axis)
    return merged(reduce, input.ravel(), flat.ravel(), src.ravel(), include_self).reshape(input.shape)


def _part_of_source(name: str, input: Value, src: Tensor, sizes: tuple[int, ...]) -> Tensor:
    _need_dtype(name, input, src)
    if len(src.shape or (1,)) != len(sizes) or any(n > m for n, m in zip(sizes, src.shape or (1,))):
        raise ValueError(f"{name} got positions of shape {sizes} for a src of shape {src.shape}: "
                         "along no axis may they be longer")
    return src[tuple([slice(n) for n in sizes])] if src.shape else src


def _need_dtype(name: str, input: Value, source: Value) -> None:
    if (given := dtype_name(source.dtype)) != (expected := dtype_name(input.dtype)):
        raise RuntimeError(f"{name} needs a source of the Tensor's dtype, {expected}; got {given}")


# -- slices along an axis ------------------------------------------------------------------------------------

def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`input` with slices added: ``y[:, index[j]] += alpha * source[:, j]`` for `dim` 1 of 2.

    >>> import cnnkit
    >>> cnnkit.index_add(cnnkit.tensor([1.0, 1.0]), 0, cnnkit.tensor([0, 0]), cnnkit.tensor([2.0, 3.0]))
    tensor([6., 1.])
    """
    axis, x, index, source = _slices("index_add", input, dim, index, source)
    if alpha != 1:
        source = source * alpha
    added = apply(gathering.scatter_add, source, index, axis=axis, size=x.shape[axis])
    return (x + added).reshape(input.shape)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with slices replaced: ``y[:, index[j]] = source[:, j]`` for `dim` 1 of 2.

    >>> import cnnkit
    >>> cnnkit.index_copy(cnnkit.tensor([1.0, 1.0]), 0, cnnkit.tensor([1]), cnnkit.tensor([2.0]))
    tensor([1., 2.])
    """
    axis, x, index, source = _slices("index_copy", input, dim, index, source)
    if not index.shape[0] or 0 in x.shape:
        return input.clone()
    which, named = without_tape("index_copy", segments.last, index, size=x.shape[axis])
    named = named.reshape(_along(axis, x.ndim))
    return apply(elementwise.where, named, apply(gathering.take, source, which, axis=axis),
                 x).reshape(input.shape)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with slices set to a number: ``y[:, index[j]] = value`` for `dim` 1 of 2.

    >>> import cnnkit
    >>> cnnkit.index_fill(cnnkit.tensor([[1, 2], [3, 4]]), 1, cnnkit.tensor([1]), 0)
    tensor([[1, 0],
            [3, 0]])
    """
    axis, x, index, _ = _slices("index_fill", input, dim, index, None)
    _, named = without_tape("index_fill", segments.last, index, size=x.shape[axis])
    return apply(elementwise.where, named.reshape(_along(axis, x.ndim)), filling("index_fill", input, value),
                 x).reshape(input.shape)


def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
                 include_self: bool = True) -> Tensor:
    """What the slices for each position give together: their product, mean, maximum or minimum.

    >>> import cnnkit
    >>> x, index, source = cnnkit.tensor([1.0, 1.0]), cnnkit.tensor([0, 0]), cnnkit.tensor([2.0, 6.0])
    >>> cnnkit.index_reduce(x, 0, index, source, "amax")
    tensor([6., 1.])
    """
    _reduction("index_reduce", reduce)
    axis, x, index, source = _slices("index_reduce", input, dim, index, source)
    positions = index.reshape(_along(axis, x.ndim)).expand(source.shape)
    return _scattered("index_reduce", x, axis, positions, source, reduce, include_self).reshape(input.shape)


def _along(axis: int, ndim: int) -> tuple[int, ...]:
    """The shape of a vector along one of so many axes."""
    return tuple([-1 if i == axis else 1 for i in range(ndim)])


def _slices(name: str, input: Tensor, dim: int, index: Any, source: Any) -> tuple[int, Any, Any, Any]:
    """The axis, and the three Tensors with axes; positions checked and counted from the front."""
    need_positions(name, index)
    axis = axis_of(name, dim, input.ndim)
    if len(index.shape) > 1:
        raise IndexError(f"{name} needs positions of shape (n,); got {tuple(index.shape)}")
    x, index = input if input.shape else input.reshape(1), index if index.shape else index.reshape(1)
    if source is not None:
        _need_dtype(name, input, source)
        source = source if source.shape else source.reshape(1)
        if (*x.shape[:axis], index.shape[0], *x.shape[axis + 1:]) != source.shape:
            raise ValueError(f"{name} along axis {axis} got {index.shape[0]} positions and a source of shape "
                             f"{source.shape} for a Tensor of shape {input.shape}")
    checked = without_tape(name, gathering.positions, index, size=x.shape[axis], axis=axis)
    return axis, x, checked, source


class ScatteringMethods(Value):
    """What puts or adds elements at positions, as a Tensor's methods."""

    __slots__ = ()

    scatter = scatter
    scatter_add = scatter_add
    scatter_reduce = scatter_reduce
    index_add = index_add
    index_copy = index_copy
    index_fill = index_fill
    index_reduce = index_reduce
