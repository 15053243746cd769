"""Tensor: PyTorch's methods and operators on an array of any backend."""

from __future__ import annotations

from typing import Any

from cnnkit import backends, suggestions
from cnnkit.autograd import selection
from cnnkit.autograd.as_python import AsPython, is_operand
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.counting import CountingMethods
from cnnkit.autograd.functions.diagonals import DiagonalMethods
from cnnkit.autograd.functions.moving import MovingMethods
from cnnkit.autograd.functions.norms import NormMethods
from cnnkit.autograd.functions.parts import PartsMethods
from cnnkit.autograd.functions.pointwise import PointwiseMethods
from cnnkit.autograd.functions.products import ProductMethods
from cnnkit.autograd.functions.putting import PuttingMethods
from cnnkit.autograd.functions.rearranging import RearrangingMethods
from cnnkit.autograd.functions.reduction import ReductionMethods
from cnnkit.autograd.functions.scattering import ScatteringMethods
from cnnkit.autograd.functions.selecting import SelectingMethods
from cnnkit.autograd.functions.sorting import SortingMethods
from cnnkit.autograd.functions.splitting import SplittingMethods
from cnnkit.autograd.grad_mode import no_grad
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import elementwise, indexing, matmul, shaping
from cnnkit.ops.broadcasting import broadcast_shape
from cnnkit.ops.core import Op

__all__ = ["Tensor"]


class Tensor(AsPython, MovingMethods, RearrangingMethods, PartsMethods, DiagonalMethods, SplittingMethods,
             SelectingMethods, ScatteringMethods, PuttingMethods, SortingMethods, CountingMethods,
             ProductMethods, NormMethods, PointwiseMethods, ReductionMethods):
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
    __array_ufunc__ = None  # NumPy hands arithmetic with a Tensor on the right over to the Tensor

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


Value.result = Tensor


def _binary(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, tensor, other) if is_operand(other) else NotImplemented


def _reflected(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, other, tensor) if is_operand(other) else NotImplemented


def _rebuild(kind: type[Tensor], backend: str, values: Any, requires_grad: bool) -> Tensor:
    new = kind._of(backends.get(backend).asarray(values))
    new._requires_grad = requires_grad
    return new
