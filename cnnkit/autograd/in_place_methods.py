"""Methods that change a Tensor in place: PyTorch's names with an underscore, one for each function."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Self

from cnnkit import backends, random
from cnnkit.autograd import functions
from cnnkit.autograd.as_python import is_operand
from cnnkit.autograd.calling import apply
from cnnkit.autograd.in_place import assign, change, detach_, fill, overwrite
from cnnkit.autograd.selection import plain_index
from cnnkit.autograd.sharing import forget, join, live_views
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Number, Value
from cnnkit.ops import activation, elementwise
from cnnkit.ops.broadcasting import broadcast_shape

__all__ = ["InPlaceMethods"]

# the functions that have a method NAME_ where they exist
NAMES = """
abs absolute acos acosh addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan arctan2
arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh cumprod cumsum deg2rad
digamma eq erf erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmod frac gcd ge
greater greater_equal gt heaviside hypot i0 index_add index_copy index_fill index_put index_reduce lcm ldexp
le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not logical_or logical_xor logit lt
masked_fill masked_scatter multiply mvlgamma nan_to_num ne neg negative nextafter not_equal polygamma pow put
rad2deg reciprocal remainder renorm round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc
sinh sqrt square subtract tan tanh tril triu true_divide trunc xlogy
"""


def _named(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return change(function, self, *args, **kwargs)
    function = getattr(functions, name)
    method.__name__ = f"{name}_"
    method.__qualname__ = f"InPlaceMethods.{name}_"
    method.__doc__ = f"`{name}` in place: this Tensor becomes the result, and is returned."
    return method


def _scaled(other: Any, alpha: Number) -> Any:
    return other if alpha == 1 else other * alpha


def _add(input: Any, other: Any) -> Any:
    return apply(elementwise.add, input, other)


def _sub(input: Any, other: Any) -> Any:
    return apply(elementwise.sub, input, other)


def _mul(input: Any, other: Any) -> Any:
    return apply(elementwise.mul, input, other)


def _div(input: Any, other: Any) -> Any:
    return apply(elementwise.div, input, other)


class InPlaceMethods(Value):
    """What changes a Tensor: it keeps its identity, and whoever holds it sees the new value."""

    __slots__ = ()

    # -- other values ----------------------------------------------------------------------------------------

    def copy_(self, src: Any, non_blocking: bool = False) -> Self:
        """Take over the values of `src`, in place, with broadcasting and conversion to this Tensor's dtype.

        Parameters
        ----------
        src : Tensor, array or number
            What broadcasts to this Tensor's shape, of any backend.
        non_blocking : bool
            Accepted as PyTorch's, and ignored.
        """
        if src is None:
            raise TypeError("copy_() needs values; got None")
        if self._alias is not None or (mode.grad and (self._requires_grad or (
                isinstance(src, Value) and src._requires_grad))):
            values = src if isinstance(src, Value | bool | int | float) else Value.result(
                self._backend().asarray(src, self.dtype))
            self._need_to_fit(getattr(values, "shape", ()))
            return overwrite(self, values)
        backend, shape, dtype = self._backend(), self.shape, self.dtype
        if isinstance(src, Value):
            src = src.array if src._backend() is backend else src.numpy()
        # reading a pending result would break its chain
        place = self.array if backend.switches or self._link is None else None
        new = backend.asarray(src, dtype, getattr(place, "device", None))
        if tuple(new.shape) != shape:
            self._need_to_fit(new.shape)
            xp = backend.namespace
            with backends.on(new):
                new = xp.asarray(xp.broadcast_to(new, shape), copy=True)
        return self.replace_(new)

    def _need_to_fit(self, shape: Any) -> None:
        if broadcast_shape("copy_", (shape, self.shape)) != self.shape:
            raise ValueError(f"copy_() cannot fill a Tensor of shape {self.shape} with values of "
                             f"shape {tuple(shape)}")

    def fill_(self, value: Any) -> Self:
        """Set every element to `value`, a number or a Tensor of one element, in place."""
        if isinstance(value, Value) and value.ndim:
            raise RuntimeError(f"fill_() takes one number; got a Tensor of shape {value.shape}")
        if self._alias is not None and (value.__class__ in (int, float, bool) or isinstance(value, Value)):
            return change(fill, self, value)
        return self.copy_(value)

    def zero_(self) -> Self:
        """Set every element to zero, in place."""
        return self.fill_(0)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not is_operand(value) and not isinstance(value, complex):
            raise TypeError(f"can't assign a {type(value).__name__} to a Tensor's elements; give a number or "
                            "a Tensor, cnnkit.tensor(...)")
        if not isinstance(value, Value | bool | int | float | complex):
            value = Value.result(self._backend().asarray(value))
        assign(self, plain_index(index), value)

    @property
    def data(self) -> Any:
        """This Tensor's values without its history, in the same memory.

        What changes them is unknown to the tape, as in PyTorch: ``p.data.add_(...)`` changes a parameter that
        requires a gradient. A Tensor that is set is shared from then on.
        """
        new = Value.result._of(self.array)
        join(new, self)
        return new

    @data.setter
    def data(self, values: Any) -> None:
        if not isinstance(values, Value):
            raise TypeError(f"data must be a Tensor; got {type(values).__name__}: {values!r:.60}")
        new, old = (backends.dtype_name(t.dtype) for t in (values, self))
        if new != old and (self.requires_grad and "float" not in new):
            raise RuntimeError(f"data of a Tensor that requires a gradient must be of floats; got {new}")
        values.array, self.array  # noqa: B018 - pending results are computed
        forget(self)
        self._value, self._version = values._value, [0]
        join(self, values)

    def detach_(self) -> Self:
        """Make a leaf of this Tensor, which requires no gradient any more."""
        return detach_(self)

    # -- arithmetic ------------------------------------------------------------------------------------------

    def add_(self, other: Any, *, alpha: Number = 1) -> Self:
        """Add `alpha` times `other`, in place."""
        return change(_add, self, _scaled(other, alpha))

    def sub_(self, other: Any, *, alpha: Number = 1) -> Self:
        """Subtract `alpha` times `other`, in place."""
        return change(_sub, self, _scaled(other, alpha))

    def mul_(self, other: Any) -> Self:
        """Multiply by `other`, in place."""
        return change(_mul, self, other)

    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Self:
        """Divide by `other`, in place; ``"floor"`` and ``"trunc"`` round the result."""
        if rounding_mode is None:
            return change(_div, self, other)
        return change(functions.div, self, other, rounding_mode=rounding_mode)  # type: ignore[attr-defined]

    def relu_(self) -> Self:
        """max(x, 0), in place."""
        return change(_relu, self)

    def sigmoid_(self) -> Self:
        """1 / (1 + exp(-x)), in place."""
        return change(_sigmoid, self)

    def tanh_(self) -> Self:
        """Hyperbolic tangent, in place."""
        return change(_tanh, self)

    def neg_(self) -> Self:
        """-x, in place."""
        return change(operator.neg, self)

    def pow_(self, exponent: Any) -> Self:
        """x ** exponent, in place."""
        return change(operator.pow, self, exponent)

    def __iadd__(self, other: Any) -> Any: return _augmented(_add, self, other)
    def __isub__(self, other: Any) -> Any: return _augmented(_sub, self, other)
    def __imul__(self, other: Any) -> Any: return _augmented(_mul, self, other)
    def __itruediv__(self, other: Any) -> Any: return _augmented(_div, self, other)
    def __ipow__(self, other: Any) -> Any: return _augmented(operator.pow, self, other)
    def __ifloordiv__(self, other: Any) -> Any: return _augmented(operator.floordiv, self, other)
    def __imod__(self, other: Any) -> Any: return _augmented(operator.mod, self, other)
    def __iand__(self, other: Any) -> Any: return _augmented(operator.and_, self, other)
    def __ior__(self, other: Any) -> Any: return _augmented(operator.or_, self, other)
    def __ixor__(self, other: Any) -> Any: return _augmented(operator.xor, self, other)
    def __ilshift__(self, other: Any) -> Any: return _augmented(operator.lshift, self, other)
    def __irshift__(self, other: Any) -> Any: return _augmented(operator.rshift, self, other)

    # -- random numbers --------------------------------------------------------------------------------------

    def uniform_(self, from_: float = 0.0, to: float = 1.0) -> Self:
        """Draw uniformly from [`from_`, `to`), in place."""
        return self._drawn(random.uniform_between, from_, to)

    def normal_(self, mean: float = 0.0, std: float = 1.0) -> Self:
        """Draw from a normal distribution, in place."""
        return self._drawn(random.normal, mean, std)

    def _drawn(self, draw: Callable[..., Any], *settings: float) -> Self:
        array = self.array
        return self.copy_(Value.result._of(
            draw(random.next_key(), self.shape, *settings, array.dtype, like=array)))

    def bernoulli_(self, p: float = 0.5) -> Self:
        """Set each element to 1 with probability `p`, else to 0, in place."""
        return self.copy_(Value.result._of(
            random.bernoulli(random.next_key(), p, self.shape, like=self.array)))

    def exponential_(self, lambd: float = 1.0) -> Self:
        """Draw from an exponential distribution with mean ``1 / lambd``, in place."""
        return self._made_of(lambda u: -(1 - u).log() / lambd)

    def geometric_(self, p: float) -> Self:
        """Draw how many trials a success of probability `p` takes, in place."""
        return self._made_of(lambda u: ((1 - u).log() / math.log1p(-p)).floor() + 1)

    def cauchy_(self, median: float = 0.0, sigma: float = 1.0) -> Self:
        """Draw from a Cauchy distribution, in place."""
        return self._made_of(lambda u: ((u - 0.5) * math.pi).tan() * sigma + median)

    def log_normal_(self, mean: float = 1.0, std: float = 2.0) -> Self:
        """Draw numbers whose logarithm has a normal distribution, in place."""
        return self.normal_(mean, std).copy_(apply(elementwise.exp, Value.result._of(self.array)))

    def _made_of(self, function: Callable[..., Any]) -> Self:
        """Draw in place what a function makes of uniform numbers in [0, 1)."""
        dtype = self.dtype if "float" in self.dtype else "float32"
        drawn = Value.result._of(random.uniform(random.next_key(), self.shape, dtype, like=self.array))
        return self.copy_(function(drawn))

    def fill_diagonal_(self, fill_value: Number, wrap: bool = False) -> Self:
        """Set the main diagonal to a number, in place; with `wrap`, of every square block of a matrix."""
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise RuntimeError("fill_diagonal_() needs a matrix, or axes of one size; this Tensor has shape "
                               f"{self.shape}")
        rows, columns = self.shape[0], self.shape[-1]
        if self.ndim == 2 and wrap:
            places = range(0, rows * columns, columns + 1)
            self[[n // columns for n in places], [n % columns for n in places]] = fill_value
        else:
            self[([*range(min(rows, columns))],) * self.ndim] = fill_value
        return self

    def apply_(self, callable: Callable[..., Any]) -> Self:
        """Replace each number by what a Python function makes of it, in place: slow."""
        values = [callable(number) for number in _numbers(self)]
        return self.copy_(self._backend().asarray(values, self.dtype).reshape(self.shape))

    def map_(self, tensor: Any, callable: Callable[..., Any]) -> Self:
        """Replace each number by what a function makes of it and the one beside it in `tensor`, in place."""
        pairs = zip(_numbers(self), _numbers(tensor.expand(*self.shape)))
        values = [callable(*pair) for pair in pairs]
        return self.copy_(self._backend().asarray(values, self.dtype).reshape(self.shape))

    def random_(self, from_: int = 0, to: int | None = None) -> Self:
        """Draw integers from `from_` to ``to - 1``, in place; with one argument, from 0 to that.

        Without any, up to what the dtype holds exactly, or 2**32 - 1.
        """
        if to is None:
            widest = {"uint8": 8, "int8": 7, "int16": 15, "int32": 31, "float16": 11, "bfloat16": 8,
                      "float32": 24, "bool": 1}
            from_, to = 0, from_ or 2 ** widest.get(backends.dtype_name(self.dtype), 32)
        return self.copy_(random.randint(random.next_key(), self.shape, from_, to))


def _numbers(x: Value) -> list[Number]:
    """All numbers, in C order."""
    return x.numpy().reshape(-1).tolist()


def _relu(input: Any) -> Any:
    return apply(activation.relu, input)


def _sigmoid(input: Any) -> Any:
    return apply(activation.sigmoid, input)


def _tanh(input: Any) -> Any:
    return apply(activation.tanh, input)


def _augmented(function: Callable, target: Any, other: Any) -> Any:
    """``x += y``: in place, as in PyTorch."""
    return change(function, target, other) if is_operand(other) else NotImplemented


def _reshaped_in_place(name: str) -> Callable[..., Any]:
    """A method that gives a Tensor another shape, where nothing else shares its memory."""
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if live_views(self):
            raise RuntimeError(f"{name}_() on a Tensor that shares memory with another one that is in use; "
                               f"use {name}()")
        if mode.grad and self._requires_grad and self.is_leaf:
            raise RuntimeError(f"{name}_() on a leaf Tensor that requires a gradient; use {name}()")
        new = getattr(self, name)(*args, **kwargs)
        if new is not self:
            self._become(new)
            forget(self)
        return self
    method.__name__ = f"{name}_"
    method.__qualname__ = f"InPlaceMethods.{name}_"
    method.__doc__ = f"`{name}` in place: this Tensor gets another shape."
    return method


for _name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
    setattr(InPlaceMethods, f"{_name}_", _reshaped_in_place(_name))
for _name in NAMES.split():
    if f"{_name}_" not in vars(InPlaceMethods) and hasattr(functions, _name):
        setattr(InPlaceMethods, f"{_name}_", _named(_name))
