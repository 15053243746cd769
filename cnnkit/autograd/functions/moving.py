"""Functions that give the same elements other axes: another shape, another order, more axes or fewer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.axes import axes_of, axis_of, sizes_of
from cnnkit.autograd.value import Value
from cnnkit.foreign import strides_of
from cnnkit.ops import shaping
from cnnkit.ops.broadcasting import broadcast_shape

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["adjoint", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "expand_dims", "flatten",
           "moveaxis", "movedim", "permute", "permute_dims", "ravel", "reshape", "squeeze", "swapaxes",
           "swapdims", "t", "transpose", "unflatten", "unsqueeze"]


# -- shapes --------------------------------------------------------------------------------------------------

def reshape(input: Tensor, shape: Any) -> Tensor:
    """The same elements in C order with another shape; one size may be -1.

    Raises
    ------
    ValueError
        If the shape has not as many elements.

    >>> import cnnkit
    >>> cnnkit.reshape(cnnkit.tensor([1, 2, 3, 4]), (2, -1))
    tensor([[1, 2],
            [3, 4]])
    """
    return apply(shaping.reshape, input, shape=sizes_of((shape,)))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the axes from `start_dim` to `end_dim` into one.

    >>> import cnnkit
    >>> cnnkit.flatten(cnnkit.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 1).shape
    (1, 4)
    """
    shape = input.shape
    start, end = axis_of("flatten", start_dim, len(shape)), axis_of("flatten", end_dim, len(shape))
    if not shape:
        return apply(shaping.reshape, input, shape=(1,))
    if start > end:
        raise RuntimeError("flatten needs start_dim <= end_dim; "
                           f"got {start_dim} and {end_dim} for shape {shape}")
    return apply(shaping.reshape, input,
                 shape=(*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:]))


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Split one axis into several of these `sizes`, of which one may be -1.

    >>> import cnnkit
    >>> cnnkit.unflatten(cnnkit.tensor([1, 2, 3, 4]), 0, (2, -1))
    tensor([[1, 2],
            [3, 4]])
    """
    shape, sizes = input.shape, sizes_of((sizes,))
    axis = axis_of("unflatten", dim, len(shape))
    if not sizes:
        raise RuntimeError("unflatten needs at least one size")
    if -1 in sizes:
        known = -math.prod(sizes)
        if known > 0 and shape[axis] % known == 0:
            sizes = tuple([shape[axis] // known if n == -1 else n for n in sizes])
    if math.prod(sizes) != shape[axis] or min(sizes) < 0:
        raise RuntimeError(f"unflatten cannot split axis {axis} of shape {shape} into sizes {sizes}")
    return apply(shaping.reshape, input, shape=(*shape[:axis], *sizes, *shape[axis + 1:]))


def ravel(input: Tensor) -> Tensor:
    """All elements along one axis.

    >>> import cnnkit
    >>> cnnkit.ravel(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return apply(shaping.reshape, input, shape=(-1,) if 0 not in input.shape else (0,))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Leave out axes of size 1: all of them, or those of `dim` (an int or a tuple) that have that size.

    >>> import cnnkit
    >>> cnnkit.squeeze(cnnkit.tensor([[[1.0, 2.0]]]), dim=0).shape
    (1, 2)
    """
    shape = input.shape
    axes = range(len(shape)) if dim is None else axes_of("squeeze", dim, len(shape))
    return apply(shaping.reshape, input,
                 shape=tuple([n for i, n in enumerate(shape) if n != 1 or i not in axes]))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Put in an axis of size 1 at `dim`.

    >>> import cnnkit
    >>> cnnkit.unsqueeze(cnnkit.tensor([1.0, 2.0]), 1)
    tensor([[1.],
            [2.]])
    """
    shape = input.shape
    axis = axis_of("unsqueeze", dim, len(shape) + 1)
    return apply(shaping.reshape, input, shape=(*shape[:axis], 1, *shape[axis:]))


def expand_dims(input: Tensor, dim: int = 0) -> Tensor:
    """`unsqueeze`, by the Array API's name and with its default.

    >>> import cnnkit
    >>> cnnkit.expand_dims(cnnkit.tensor([1.0, 2.0])).shape
    (1, 2)
    """
    return unsqueeze(input, dim)


# -- the order of axes ---------------------------------------------------------------------------------------

def permute(input: Tensor, dims: Any) -> Tensor:
    """The axes in another order.

    >>> import cnnkit
    >>> cnnkit.permute(cnnkit.tensor([[[1, 2, 3]]]), (2, 0, 1)).shape
    (3, 1, 1)
    """
    return apply(shaping.permute, input, axes=sizes_of((dims,)))


permute_dims = permute


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two axes.

    >>> import cnnkit
    >>> cnnkit.transpose(cnnkit.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = len(input.shape)
    order = list(range(ndim))
    i, j = axis_of("transpose", dim0, ndim), axis_of("transpose", dim1, ndim)
    if ndim:
        order[i], order[j] = j, i
    return apply(shaping.permute, input, axes=tuple(order))


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two axes: `transpose`.

    >>> import cnnkit
    >>> cnnkit.swapdims(cnnkit.tensor([[1, 2, 3]]), 0, 1).shape
    (3, 1)
    """
    return transpose(input, dim0, dim1)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Swap two axes: `transpose`.

    >>> import cnnkit
    >>> cnnkit.swapaxes(cnnkit.tensor([[1, 2, 3]]), 0, 1).shape
    (3, 1)
    """
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is.

    >>> import cnnkit
    >>> cnnkit.t(cnnkit.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() is for at most two axes; this Tensor has shape {input.shape}: use mT")
    return _reversed(input)


def adjoint(input: Tensor) -> Tensor:
    """Each matrix of a stack transposed: the conjugate transpose of real numbers.

    >>> import cnnkit
    >>> cnnkit.adjoint(cnnkit.tensor([[[1, 2], [3, 4]]]))
    tensor([[[1, 3],
             [2, 4]]])
    """
    return _matrices_transposed("adjoint", input)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move axes (an int or a tuple) to new places; the others stay in order.

    >>> import cnnkit
    >>> cnnkit.movedim(cnnkit.tensor([[[1, 2, 3]]]), 2, 0).shape
    (3, 1, 1)
    """
    ndim = input.ndim
    old, new = axes_of("movedim", source, ndim), axes_of("movedim", destination, ndim)
    if len(old) != len(new):
        raise RuntimeError(f"movedim needs as many places as axes; got {source} and {destination}")
    if not ndim:
        return _reversed(input)
    places = dict(zip(new, old))
    others = iter([axis for axis in range(ndim) if axis not in old])
    order = tuple([places[i] if i in places else next(others) for i in range(ndim)])
    return apply(shaping.permute, input, axes=order)


moveaxis = movedim


def _reversed(input: Value) -> Tensor:
    return apply(shaping.permute, input, axes=tuple(reversed(range(input.ndim))))


def _matrices_transposed(name: str, input: Value) -> Tensor:
    ndim = input.ndim
    if ndim < 2:
        raise RuntimeError(f"{name} transposes matrices; this Tensor has shape {input.shape}")
    return apply(shaping.permute, input, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


# -- broadcasting --------------------------------------------------------------------------------------------

def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`Tensor.expand`: axes of size 1 stretched to `size`.

    >>> import cnnkit
    >>> cnnkit.broadcast_to(cnnkit.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return apply(shaping.expand, input, shape=sizes_of((size,)))


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes (or sizes of one axis) broadcast to.

    Raises
    ------
    RuntimeError
        If they do not broadcast.

    >>> import cnnkit
    >>> cnnkit.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    try:
        return broadcast_shape("broadcast_shapes", [(s,) if isinstance(s, int) else s for s in shapes])
    except ValueError as error:
        raise RuntimeError(str(error)) from None


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors stretched to the shape that they broadcast to.

    >>> import cnnkit
    >>> x, y = cnnkit.broadcast_tensors(cnnkit.tensor([[1], [2]]), cnnkit.tensor([3, 4]))
    >>> x.shape, y.shape
    ((2, 2), (2, 2))
    """
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*[x.shape for x in tensors])
    return tuple([apply(shaping.expand, x, shape=shape) for x in tensors])


# -- methods -------------------------------------------------------------------------------------------------

class MovingMethods(Value):
    """What gives the same elements other axes, as a Tensor's methods."""

    __slots__ = ()

    flatten = flatten
    unflatten = unflatten
    ravel = ravel
    squeeze = squeeze
    unsqueeze = unsqueeze
    transpose = transpose
    swapdims = swapdims
    swapaxes = swapaxes
    t = t
    adjoint = adjoint
    moveaxis = movedim
    movedim = movedim
    broadcast_to = broadcast_to

    def reshape(self, *sizes: Any, shape: Any = None) -> Tensor:
        """The same elements in C order with another shape; one size may be -1."""
        return apply(shaping.reshape, self, shape=sizes_of(sizes, shape))

    def view(self, *sizes: Any, size: Any = None) -> Tensor:
        """`reshape`: copies where memory allows no view."""
        sizes = sizes_of(sizes, size)
        if len(sizes) == 1 and not hasattr(sizes[0], "__index__"):
            raise TypeError(f"view() needs sizes; got {sizes[0]!r:.60}. The bits of a Tensor are not read as "
                            "another dtype; .to(dtype=...) converts the numbers")
        return apply(shaping.reshape, self, shape=sizes)

    def reshape_as(self, other: Tensor) -> Tensor:
        """The same elements with the shape of `other`."""
        return apply(shaping.reshape, self, shape=other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """The same elements with the shape of `other`."""
        return apply(shaping.reshape, self, shape=other.shape)

    def permute(self, *axes: Any, dims: Any = None) -> Tensor:
        """The axes in another order."""
        return apply(shaping.permute, self, axes=sizes_of(axes, dims))

    def expand(self, *sizes: Any, size: Any = None) -> Tensor:
        """Broadcast to a shape, in which -1 keeps a size."""
        return apply(shaping.expand, self, shape=sizes_of(sizes, size))

    def expand_as(self, other: Tensor) -> Tensor:
        """Broadcast to the shape of `other`."""
        return apply(shaping.expand, self, shape=other.shape)

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return _reversed(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped: each matrix of a stack transposed."""
        return _matrices_transposed("mT", self)

    @property
    def mH(self) -> Tensor:
        """Each matrix of a stack transposed: the conjugate transpose of real numbers."""
        return _matrices_transposed("mH", self)

    @property
    def H(self) -> Tensor:
        """A matrix transposed: the conjugate transpose of real numbers."""
        if self.ndim not in (0, 2):
            raise RuntimeError(f"H is for matrices; this Tensor has shape {self.shape}: use mH")
        return _reversed(self)

    # -- memory --

    def stride(self, dim: int | None = None) -> Any:
        """How many elements lie between neighbours along each axis, or along one.

        Of libraries that do not say it, as if the elements were in C order without gaps.
        """
        strides = strides_of(self.array)
        return strides if dim is None else strides[axis_of("stride", dim, len(strides))]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements are in C order without gaps; of ``channels_last``, the axes (N, H, W, C)."""
        shape, strides = self.shape, strides_of(self.array)
        if 0 in shape:
            return True
        expected = 1
        for axis in reversed(_order("is_contiguous", memory_format, len(shape))):
            if shape[axis] != 1 and strides[axis] != expected:
                return False
            expected *= shape[axis]
        return True

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """This Tensor, or a copy with the elements in C order without gaps (in NHWC for ``channels_last``).

        No function needs it: all take any layout in memory.
        """
        if self.is_contiguous(memory_format):
            return self  # type: ignore[return-value]
        order = _order("contiguous", memory_format, self.ndim)
        moved = apply(shaping.permute, self, axes=order)
        # in one row, what is not in C order must be copied
        copy = apply(shaping.reshape, apply(shaping.reshape, moved, shape=(-1,)), shape=moved.shape)
        return apply(shaping.permute, copy, axes=tuple([order.index(i) for i in range(len(order))]))


def _order(name: str, memory_format: Any, ndim: int) -> tuple[int, ...]:
    """The axes in the order of memory that a format asks for, outermost first."""
    if str(memory_format).rpartition(".")[2] in ("None", "contiguous_format", "preserve_format"):
        return tuple(range(ndim))
    if ndim not in (4, 5):
        raise RuntimeError(f"{name} with memory_format={memory_format} is for images, (N, C, H, W) or "
                           f"(N, C, D, H, W); this Tensor has {ndim} axes")
    return (0, *range(2, ndim), 1)
