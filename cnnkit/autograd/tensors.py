"""Tensor: PyTorch's methods and operators on an array of any backend."""

from __future__ import annotations

import math
from typing import Any

from cnnkit import backends, suggestions
from cnnkit.autograd import selection
from cnnkit.autograd.as_python import AsPython, is_operand
from cnnkit.autograd.calling import apply
from cnnkit.autograd.exchange import Exchange
from cnnkit.autograd.grad_mode import no_grad
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise, indexing, matmul, reduction, shaping
from cnnkit.ops.broadcasting import broadcast_shape
from cnnkit.ops.core import Op

__all__ = ["Tensor"]


class Tensor(Exchange, AsPython):
    """An array with a gradient: what user code, layers and losses work on.

    Wraps `array` without a copy; `tensor` makes one from numbers, lists and NumPy arrays.

    Parameters
    ----------
    array : array
        Any known backend's array.
    requires_grad : bool
        Record what is done with it, so that ``backward()`` fills ``grad``.

    Attributes
    ----------
    grad : Tensor or None
        The gradient that ``backward()`` added up; a Tensor without tape.

    >>> import numpy as np
    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.], dtype=float64)
    """

    __slots__ = ()

    # -- the value -------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """The same array without tape.

        A change in place gives a Tensor a new array, so the other keeps the old values; but it counts for
        both, because an optimizer's kernel may write into the array that they share.
        """
        new = Tensor._of(self.array)
        new._version = self._version
        return new

    def clone(self) -> Tensor:
        """A copy, with tape."""
        return apply(shaping.clone, self)

    def to(self, target: Any = None, dtype: Any = None) -> Tensor:
        """Move to a backend (``"cupy"``, ``"cupy:1"``), or convert to a dtype (``"float64"``), or both.

        Moving to another backend starts a new tape: the result is a leaf. Converting is recorded.
        """
        new = self
        if target is not None and dtype is None and backends.dtype_name(target) in backends.DTYPES:
            target, dtype = None, target
        if target is not None:
            backend, device = backends.place(target)
            if backend is not backends.backend_of(self.array) or device is not None:
                new = Tensor(backend.asarray(self.array, device=device), self.requires_grad and self.is_leaf)
        if dtype is not None:
            requested = backends.backend_of(new.array).dtype(dtype)
            if new.dtype != requested:
                new = apply(shaping.cast, new, dtype=requested)
        return new

    def float(self) -> Tensor:
        """Convert to float32."""
        return self.to(dtype="float32")

    def double(self) -> Tensor:
        """Convert to float64."""
        return self.to(dtype="float64")

    # -- changes in place ------------------------------------------------------------------------------------

    def copy_(self, values: Any) -> Tensor:
        """Replace a leaf's values in place, with broadcasting and conversion to this Tensor's dtype."""
        backend, shape, dtype = self._backend(), self.shape, self.dtype
        if isinstance(values, Tensor):
            values = values.array if backends.backend_of(values.array) is backend else values.numpy()
        if values is None:
            raise TypeError("copy_() needs values; got None")
        # reading a pending result would break its chain
        place = self.array if backend.switches or self._link is None else None
        new = backend.asarray(values, dtype, getattr(place, "device", None))
        if tuple(new.shape) != shape:
            xp = backend.namespace
            if broadcast_shape("copy_", (new.shape, shape)) != shape:
                raise ValueError(f"copy_() cannot fill a Tensor of shape {shape} with values of "
                                 f"shape {tuple(new.shape)}")
            with backends.on(new):
                new = xp.asarray(xp.broadcast_to(new, shape), copy=True)
        return self.replace_(new)

    def fill_(self, value: Number) -> Tensor:
        """Set every element to `value`, in place."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to zero, in place."""
        return self.copy_(0)

    def add_(self, other: Any) -> Tensor:
        """Add `other`, in place."""
        return self._in_place(elementwise.add, other)

    def sub_(self, other: Any) -> Tensor:
        """Subtract `other`, in place."""
        return self._in_place(elementwise.sub, other)

    def mul_(self, other: Any) -> Tensor:
        """Multiply by `other`, in place."""
        return self._in_place(elementwise.mul, other)

    def _in_place(self, op: Op, other: Any) -> Tensor:
        with no_grad():
            new = apply(op, self, other)
        if new.shape != self.shape:
            raise ValueError(f"{op.name}_ in place needs a value that fits shape {self.shape}; "
                             f"the result has {new.shape}")
        if new.dtype != self.dtype:
            old_dtype, new_dtype = backends.dtype_name(self.dtype), backends.dtype_name(new.dtype)
            if "float" in new_dtype and "float" not in old_dtype:
                raise TypeError(f"{op.name}_ in place makes {new_dtype} of a Tensor of {old_dtype}; "
                                f"convert it first with .to(dtype={new_dtype!r})")
            new = new.to(dtype=self.dtype)
        return self.replace_(new.array)

    def _augmented(self, op: Op, other: Any) -> Any:
        """``x += y``: in place on a leaf, as in PyTorch; a new Tensor where the tape must record it."""
        if not is_operand(other):
            return NotImplemented
        recorded = mode.grad and isinstance(other, Value) and other._requires_grad
        return (self._in_place(op, other) if self.is_leaf and not (recorded and not self.requires_grad)
                else apply(op, self, other))

    # -- copying ---------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors can be deep-copied; "
                               "this one is the result of a recorded op: use detach() first")
        array = self.array
        new = type(self)._of(backends.backend_of(array).asarray(array))
        new._requires_grad = self._requires_grad
        if self._grad is not None:
            new._grad = self._grad.__deepcopy__(memo)
        memo[id(self)] = new
        return new

    def __reduce__(self) -> tuple:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors can be pickled; this one is the result of a recorded op: "
                               "use detach() first")
        return _rebuild, (type(self), self.backend, self.numpy(), self.requires_grad)

    def __repr__(self) -> str:
        backend = backends.backend_of(self.array)
        body = backend.text(self._value, "tensor(")
        notes = ("" if (name := backends.dtype_name(self.dtype)) in ("float32", "int64", "bool")
                 else f", dtype={name}")
        if not backend.host:
            notes += f", backend={backend.name!r}"
        if self._source is not None:
            notes += f", grad_fn={self._source[0]!r}"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({body}{notes})"

    # -- operators -------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any: return _binary(elementwise.add, self, other)
    def __radd__(self, other: Any) -> Any: return _reflected(elementwise.add, self, other)
    def __sub__(self, other: Any) -> Any: return _binary(elementwise.sub, self, other)
    def __rsub__(self, other: Any) -> Any: return _reflected(elementwise.sub, self, other)
    def __mul__(self, other: Any) -> Any: return _binary(elementwise.mul, self, other)
    def __rmul__(self, other: Any) -> Any: return _reflected(elementwise.mul, self, other)
    def __truediv__(self, other: Any) -> Any: return _binary(elementwise.div, self, other)
    def __rtruediv__(self, other: Any) -> Any: return _reflected(elementwise.div, self, other)
    def __pow__(self, other: Any) -> Any: return _binary(elementwise.pow, self, other)
    def __rpow__(self, other: Any) -> Any: return _reflected(elementwise.pow, self, other)
    def __iadd__(self, other: Any) -> Any: return self._augmented(elementwise.add, other)
    def __isub__(self, other: Any) -> Any: return self._augmented(elementwise.sub, other)
    def __imul__(self, other: Any) -> Any: return self._augmented(elementwise.mul, other)
    def __itruediv__(self, other: Any) -> Any: return self._augmented(elementwise.div, other)
    def __neg__(self) -> Tensor: return apply(elementwise.neg, self)
    def __abs__(self) -> Tensor: return apply(elementwise.abs, self)
    def __matmul__(self, other: Any) -> Any: return _binary(matmul.matmul, self, other)
    def __rmatmul__(self, other: Any) -> Any: return _reflected(matmul.matmul, self, other)
    def __eq__(self, other: Any) -> Any: return _binary(elementwise.equal, self, other)
    def __ne__(self, other: Any) -> Any: return _binary(elementwise.not_equal, self, other)
    def __lt__(self, other: Any) -> Any: return _binary(elementwise.less, self, other)
    def __le__(self, other: Any) -> Any: return _binary(elementwise.less_equal, self, other)
    def __gt__(self, other: Any) -> Any: return _binary(elementwise.greater, self, other)
    def __ge__(self, other: Any) -> Any: return _binary(elementwise.greater_equal, self, other)
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        return suggestions.missing(self, name, suggestions.TENSOR)

    def __getitem__(self, index: Any) -> Tensor:
        return apply(indexing.getitem, self, index=selection.plain_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a Tensor's elements cannot be assigned: not every array library can. "
                        "Use cnnkit.functional.where, or copy_() for the whole Tensor")

    # -- methods that are ops --------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in C order with another shape; one size may be -1."""
        return apply(shaping.reshape, self, shape=_unpack(shape))

    def view(self, *shape: Any) -> Tensor:
        """`reshape`: copies where memory allows no view."""
        return self.reshape(*shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Join the axes from `start_dim` to `end_dim` into one."""
        shape = self.shape
        if not shape:
            return self.reshape(1)
        start, end = _axis(start_dim, len(shape)), _axis(end_dim, len(shape))
        if start > end:
            raise ValueError("flatten needs start_dim <= end_dim; "
                             f"got {start_dim} and {end_dim} for shape {shape}")
        return apply(shaping.reshape, self,
                     shape=(*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:]))

    def permute(self, *dims: Any) -> Tensor:
        """The axes in another order."""
        return apply(shaping.permute, self, axes=_unpack(dims))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Swap two axes."""
        order = list(range(self.ndim))
        i, j = _axis(dim0, self.ndim), _axis(dim1, self.ndim)
        order[i], order[j] = j, i
        return apply(shaping.permute, self, axes=tuple(order))

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return apply(shaping.permute, self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped: each matrix of a stack transposed."""
        if self.ndim < 2:
            raise RuntimeError(f"mT transposes matrices; this Tensor has shape {self.shape}")
        return self.transpose(-2, -1)

    def t(self) -> Tensor:
        """A matrix transposed; a vector as it is."""
        if self.ndim > 2:
            raise RuntimeError(f"t() is for at most two axes; this Tensor has shape {self.shape}: use mT")
        return self.T

    def expand(self, *shape: Any) -> Tensor:
        """Broadcast to `shape`."""
        return apply(shaping.expand, self, shape=_unpack(shape))

    def squeeze(self, dim: int | None = None) -> Tensor:
        """Leave out axes of size 1: all of them, or one."""
        shape = self.shape
        if dim is not None:
            dim = _axis(dim, len(shape))
        return self.reshape(tuple(n for i, n in enumerate(shape)
                                  if n != 1 or (dim is not None and i != dim)))

    def unsqueeze(self, dim: int) -> Tensor:
        """Put in an axis of size 1 at `dim`."""
        position = _axis(dim, self.ndim + 1)
        return self.reshape((*self.shape[:position], 1, *self.shape[position:]))

    def sum(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Sum over all axes, or over `dim` (an int or a tuple)."""
        return apply(reduction.sum, self, axis=dim, keepdims=keepdim)

    def mean(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Mean over all axes, or over `dim` (an int or a tuple)."""
        return apply(reduction.mean, self, axis=dim, keepdims=keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Maximum over all axes, or over `dim`; ties share the gradient equally, as in PyTorch's ``amax``."""
        return apply(reduction.max, self, axis=dim, keepdims=keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Position of the (first) maximum along `dim`, or in the flattened Tensor."""
        return apply(reduction.argmax, self, axis=dim, keepdims=keepdim)

    def index_select(self, dim: int, index: Any) -> Tensor:
        """The slices at the positions `index` (n,) along `dim`; see `functional.index_select`."""
        return selection.index_select(self, dim, index)

    def gather(self, dim: int, index: Any) -> Tensor:
        """The element at each position of `index` along `dim`; see `functional.gather`."""
        return selection.gather(self, dim, index)

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Tensor:
        """`gather` with shapes that broadcast; see `functional.take_along_dim`."""
        return selection.take_along_dim(self, indices, dim)

    def exp(self) -> Tensor:
        """Exponential of each element."""
        return apply(elementwise.exp, self)

    def log(self) -> Tensor:
        """Natural logarithm of each element."""
        return apply(elementwise.log, self)

    def sqrt(self) -> Tensor:
        """Square root of each element."""
        return apply(elementwise.sqrt, self)

    def abs(self) -> Tensor:
        """Absolute value of each element; the gradient at 0 is 0."""
        return apply(elementwise.abs, self)

    def clamp(self, min: float | None = None, max: float | None = None) -> Tensor:  # type: ignore[valid-type]
        """Elements limited to [`min`, `max`]."""
        return apply(elementwise.clip, self, min=min, max=max)

    def matmul(self, other: Any) -> Tensor:
        """Matrix product over the last two axes."""
        return apply(matmul.matmul, self, other)


Value.result = Tensor


def _binary(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, tensor, other) if is_operand(other) else NotImplemented


def _reflected(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, other, tensor) if is_operand(other) else NotImplemented


def _rebuild(kind: type[Tensor], backend: str, values: Any, requires_grad: bool) -> Tensor:
    new = kind._of(backends.get(backend).asarray(values))
    new._requires_grad = requires_grad
    return new


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of range for a Tensor with {ndim} axes")
    return axis % ndim


def _unpack(sizes: tuple) -> tuple[int, ...]:
    """``(2, 3)`` from ``f(2, 3)`` as from ``f((2, 3))``."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
