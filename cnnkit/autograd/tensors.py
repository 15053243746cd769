"""Tensor: PyTorch's methods and operators on an array of any backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from cnnkit import backends, suggestions
from cnnkit.autograd import calling, creation, selection
from cnnkit.autograd.array_namespace import Standard
from cnnkit.autograd.as_python import AsPython, is_operand
from cnnkit.autograd.calling import apply
from cnnkit.autograd.creation import CreationMethods
from cnnkit.autograd.differentiation import Differentiation
from cnnkit.autograd.exchange import Exchange
from cnnkit.autograd.functions import arithmetic, filled, logic
from cnnkit.autograd.functions.activations import ActivationMethods
from cnnkit.autograd.functions.arithmetic import ArithmeticMethods
from cnnkit.autograd.functions.comparison import ComparisonMethods
from cnnkit.autograd.functions.conversion import ConversionMethods
from cnnkit.autograd.functions.counting import CountingMethods
from cnnkit.autograd.functions.diagonals import DiagonalMethods
from cnnkit.autograd.functions.differences import DifferenceMethods
from cnnkit.autograd.functions.drawn import DrawnMethods
from cnnkit.autograd.functions.exponential import ExponentialMethods
from cnnkit.autograd.functions.extremes import ExtremeMethods
from cnnkit.autograd.functions.filled import FilledMethods
from cnnkit.autograd.functions.limits import LimitMethods
from cnnkit.autograd.functions.logic import LogicMethods
from cnnkit.autograd.functions.memory import MemoryMethods
from cnnkit.autograd.functions.moving import MovingMethods
from cnnkit.autograd.functions.norms import NormMethods
from cnnkit.autograd.functions.parts import PartsMethods
from cnnkit.autograd.functions.products import ProductMethods
from cnnkit.autograd.functions.putting import PuttingMethods
from cnnkit.autograd.functions.rearranging import RearrangingMethods
from cnnkit.autograd.functions.reduction import ReductionMethods
from cnnkit.autograd.functions.rounding import RoundingMethods
from cnnkit.autograd.functions.scattering import ScatteringMethods
from cnnkit.autograd.functions.selecting import SelectingMethods
from cnnkit.autograd.functions.sorting import SortingMethods
from cnnkit.autograd.functions.splitting import SplittingMethods
from cnnkit.autograd.functions.spread import SpreadMethods
from cnnkit.autograd.functions.trigonometry import TrigonometryMethods
from cnnkit.autograd.html import html_of
from cnnkit.autograd.in_place_methods import InPlaceMethods
from cnnkit.autograd.numpy_calls import CALLED, refusing
from cnnkit.autograd.sharing import join
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise, indexing, matmul, shaping
from cnnkit.ops.core import Op

__all__ = ["Tensor"]


class Tensor(Exchange, AsPython, Differentiation, ActivationMethods, ArithmeticMethods, ComparisonMethods,
             ConversionMethods, CountingMethods, CreationMethods, DiagonalMethods, DifferenceMethods,
             DrawnMethods, ExponentialMethods, ExtremeMethods, FilledMethods, InPlaceMethods, LimitMethods,
             LogicMethods, MemoryMethods, MovingMethods, NormMethods, PartsMethods, ProductMethods,
             PuttingMethods, RearrangingMethods, ReductionMethods, RoundingMethods, ScatteringMethods,
             SelectingMethods, SortingMethods, SplittingMethods, SpreadMethods, Standard,
             TrigonometryMethods):
    """An array with a gradient: what user code, layers and losses work on.

    Wraps `array` without a copy; `tensor` makes one from numbers, lists and NumPy arrays.

    Parameters
    ----------
    array : array
        Any known backend's array. As in PyTorch it may be a list of numbers, which become the default dtype,
        or a size, with others after it, of zeros.
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

    def __init__(self, array: Any = (), requires_grad: Any = False, *sizes: int):
        if type(array) is int:
            more = () if isinstance(requires_grad, bool) else (requires_grad,)
            array, requires_grad = filled.zeros(array, *more, *sizes).array, bool(not more and requires_grad)
        elif isinstance(array, list | tuple):
            array = creation.tensor(array, dtype=backends.get_default_dtype()).array
        super().__init__(array, requires_grad)

    # -- the value -------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """The same values without tape, in the same memory: a change of one in place is seen in the other."""
        new = Tensor._of(self.array)
        new._version = self._version
        join(new, self)
        return new

    def clone(self) -> Tensor:
        """A copy, with tape."""
        return apply(shaping.clone, self)


    # -- copying ---------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors can be deep-copied; "
                               "this one is the result of a recorded op: use detach() first")
        array = self.array
        new = type(self)._of(backends.backend_of(array).asarray(array))
        new._requires_grad = self._requires_grad
        if self.grad is not None:
            new._grad = self.grad.__deepcopy__(memo)
        memo[id(self)] = new
        return new

    def __reduce__(self) -> tuple[Any, ...]:
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

    def _repr_html_(self) -> str:
        return html_of(self)

    # -- operators -------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any: return _binary(elementwise.add, self, other)
    def __radd__(self, other: Any) -> Any: return _reflected(elementwise.add, self, other)
    def __sub__(self, other: Any) -> Any: return _binary(elementwise.sub, self, other)
    def __rsub__(self, other: Any) -> Any: return _reflected(elementwise.sub, self, other)
    def __mul__(self, other: Any) -> Any: return _binary(elementwise.mul, self, other)
    def __rmul__(self, other: Any) -> Any: return _reflected(elementwise.mul, self, other)
    def __truediv__(self, other: Any) -> Any: return _binary(elementwise.div, self, other)
    def __rtruediv__(self, other: Any) -> Any: return _reflected(elementwise.div, self, other)
    __rdiv__ = __rtruediv__
    def __pow__(self, other: Any) -> Any: return _binary(elementwise.pow, self, other)
    def __rpow__(self, other: Any) -> Any: return _reflected(elementwise.pow, self, other)
    def __floordiv__(self, other: Any) -> Any: return _called(arithmetic.floor_divide, self, other)
    def __rfloordiv__(self, other: Any) -> Any: return _called(arithmetic.floor_divide, other, self)
    def __mod__(self, other: Any) -> Any: return _called(arithmetic.remainder, self, other)
    def __rmod__(self, other: Any) -> Any: return _called(arithmetic.remainder, other, self)
    def __and__(self, other: Any) -> Any: return _called(logic.bitwise_and, self, other)
    def __rand__(self, other: Any) -> Any: return _called(logic.bitwise_and, other, self)
    def __or__(self, other: Any) -> Any: return _called(logic.bitwise_or, self, other)
    def __ror__(self, other: Any) -> Any: return _called(logic.bitwise_or, other, self)
    def __xor__(self, other: Any) -> Any: return _called(logic.bitwise_xor, self, other)
    def __rxor__(self, other: Any) -> Any: return _called(logic.bitwise_xor, other, self)
    def __lshift__(self, other: Any) -> Any: return _called(logic.bitwise_left_shift, self, other)
    def __rlshift__(self, other: Any) -> Any: return _called(logic.bitwise_left_shift, other, self)
    def __rshift__(self, other: Any) -> Any: return _called(logic.bitwise_right_shift, self, other)
    def __rrshift__(self, other: Any) -> Any: return _called(logic.bitwise_right_shift, other, self)
    def __invert__(self) -> Tensor: return logic.bitwise_not(self)
    def __pos__(self) -> Tensor: return self
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
    __hash__: ClassVar[Callable[..., int]] = object.__hash__  # type: ignore[assignment]

    # no __getattr__: with one, Python reads every attribute in a slower way
    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in suggestions.TENSOR]

    def __getitem__(self, index: Any) -> Tensor:
        return apply(indexing.getitem, self, index=selection.plain_index(index))


for _name, _advice in suggestions.TENSOR.items():
    setattr(Tensor, _name, suggestions.Elsewhere(_name, _advice))
for _name in CALLED:
    setattr(Tensor, _name, refusing(_name, getattr(Tensor, _name)))
Value.result = calling.Tensor = Tensor


def _binary(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, tensor, other) if is_operand(other) else NotImplemented


def _reflected(op: Op, tensor: Tensor, other: Any) -> Any:
    return apply(op, other, tensor) if is_operand(other) else NotImplemented


def _called(function: Any, left: Any, right: Any) -> Any:
    return function(left, right) if is_operand(left) and is_operand(right) else NotImplemented


def _rebuild(kind: type[Tensor], backend: str, values: Any, requires_grad: bool) -> Tensor:
    new = kind._of(backends.get(backend).asarray(values))
    new._requires_grad = requires_grad
    return new
