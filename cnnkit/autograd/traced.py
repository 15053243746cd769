"""Arrays whose computation is recorded: what op bodies run on when a gradient is to be differentiated.

An op's body uses nothing but the Array API. Given these arrays, it and the ``backward`` that it returns
become calls of ops on Tensors, which the tape records; so every op whose gradient is written with ops that
have gradients has a second derivative, and a third.
"""

from __future__ import annotations

import operator
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from math import prod
from typing import Any, ClassVar

from cnnkit.autograd.calling import apply
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Value
from cnnkit.backends import Backend, Tables
from cnnkit.foreign import device_of
from cnnkit.ops import assigning, cumulative, elementwise, gathering, indexing, matmul, reduction, shaping
from cnnkit.ops.core import OPS

__all__ = ["Traced", "plain", "tracing"]

Array = Any


class _Here(threading.local):
    """The array library that functions without arrays (``zeros``, ``arange``) make arrays of."""

    backend: Any = None


here: _Here = _Here()


class tracing(AbstractContextManager):
    """A block in which new traced arrays are made of a backend's."""

    before: Any

    def __init__(self, backend: Backend):
        self.backend = backend

    def __enter__(self) -> None:
        self.before, here.backend = here.backend, self.backend

    def __exit__(self, *exc: object) -> None:
        here.backend = self.before


class Traced:
    """An array that is a Tensor's, and whose computation the tape records where a gradient is wanted."""

    __slots__ = ("tensor",)
    __array_ufunc__ = None
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __init__(self, tensor: Value):
        self.tensor: Value = tensor

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return BACKEND.namespace

    shape: Any = property(lambda self: self.tensor.shape)
    ndim: Any = property(lambda self: self.tensor.ndim)
    size: Any = property(lambda self: prod(self.tensor.shape))
    dtype: Any = property(lambda self: self.tensor.array.dtype)
    device: Any = property(lambda self: device_of(self.tensor.array))

    def __getitem__(self, index: Any) -> Traced:
        return Traced(apply(indexing.getitem, self.tensor, index=plain(index)))

    def __bool__(self) -> bool: return bool(self.tensor.array)
    def __int__(self) -> int: return int(self.tensor.array)
    def __float__(self) -> float: return float(self.tensor.array)
    def __index__(self) -> int: return operator.index(self.tensor.array)
    def __len__(self) -> int: return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def plain(value: Any) -> Any:
    """A value with the arrays of traced arrays in their places."""
    if isinstance(value, Traced):
        return value.tensor.array
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(map(plain, value))
    return value


def _wrapped(result: Any) -> Any:
    """The arrays of a result as traced ones that are constants."""
    if isinstance(result, tuple | list):
        fields = hasattr(result, "_fields")
        return type(result)(*map(_wrapped, result)) if fields else type(result)(map(_wrapped, result))
    if not hasattr(result, "dtype"):
        return result
    if not hasattr(result, "shape") or type(result).__name__ == "dtype":
        return result
    return Traced(Value.result._of(here.backend.namespace.asarray(result)))


def _is_wanted(*values: Any) -> bool:
    """Whether a gradient comes back through one of the values."""
    return mode.grad and any(
        value.tensor._requires_grad if isinstance(value, Traced)
        else isinstance(value, tuple | list) and _is_wanted(*value) for value in values)


def _tensor(value: Any) -> Any:
    return value.tensor if isinstance(value, Traced) else value


# -- operators -----------------------------------------------------------------------------------------------

RECORDED = {"add": elementwise.add, "sub": elementwise.sub, "mul": elementwise.mul,
            "truediv": elementwise.div, "pow": elementwise.pow, "matmul": matmul.matmul}


def _binary(name: str, reflected: bool) -> Callable:
    function, op = getattr(operator, name), RECORDED.get(name.strip("_"))

    def method(self: Traced, other: Any) -> Any:
        first, second = (other, self) if reflected else (self, other)
        if op is not None and _is_wanted(self, other):
            return Traced(apply(op, _tensor(first), _tensor(second)))
        return _wrapped(function(plain(first), plain(second)))
    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "floordiv", "mod", "and_", "or_", "xor",
              "lshift", "rshift"):
    setattr(Traced, f"__{_name.strip('_')}__", _binary(_name, False))
    setattr(Traced, f"__r{_name.strip('_')}__", _binary(_name, True))
for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(Traced, f"__{_name}__", _binary(_name, False))
for _name, _op in (("neg", elementwise.neg), ("abs", elementwise.abs)):
    setattr(Traced, f"__{_name}__", lambda self, op=_op: Traced(apply(op, self.tensor)))
setattr(Traced, "__invert__", lambda self: _wrapped(~plain(self)))  # noqa: B010 - as above


# -- the namespace -------------------------------------------------------------------------------------------

def _axis(x: Traced, axis: int) -> int:
    return axis % x.ndim


def _astype(x: Traced, dtype: Any, *, copy: bool = True) -> Traced:
    return x if x.dtype == dtype else Traced(apply(shaping.cast, x.tensor, dtype=dtype))


def _asarray(x: Any, *, dtype: Any = None, copy: Any = None, device: Any = None) -> Traced:
    return x if dtype is None else _astype(x, dtype)


def _clip(x: Traced, min: Any = None, max: Any = None) -> Traced:
    return Traced(apply(elementwise.clip, x.tensor, min=min, max=max))


def _reduced(op: Any) -> Callable:
    def function(x: Traced, *, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Traced:
        return Traced(apply(op, _asarray(x, dtype=dtype).tensor, axis=axis, keepdims=keepdims))
    return function


def _min(x: Traced, *, axis: Any = None, keepdims: bool = False) -> Traced:
    negative = Traced(apply(elementwise.neg, x.tensor))
    largest = _reduced(reduction.max)(negative, axis=axis, keepdims=keepdims)
    return Traced(apply(elementwise.neg, largest.tensor))


def _reshape(x: Traced, shape: Any, *, copy: Any = None) -> Traced:
    return Traced(apply(shaping.reshape, x.tensor, shape=tuple(shape)))


def _expand_dims(x: Traced, *, axis: int = 0) -> Traced:
    axis %= x.ndim + 1
    return _reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def _squeeze(x: Traced, axis: Any) -> Traced:
    axes = {_axis(x, a) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return _reshape(x, [n for i, n in enumerate(x.shape) if i not in axes])


def _permute_dims(x: Traced, axes: Any) -> Traced:
    return Traced(apply(shaping.permute, x.tensor, axes=tuple(axes)))


def _matrix_transpose(x: Traced) -> Traced:
    return _permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _moveaxis(x: Traced, source: int, destination: int) -> Traced:
    order = [i for i in range(x.ndim) if i != _axis(x, source)]
    order.insert(_axis(x, destination), _axis(x, source))
    return _permute_dims(x, order)


def _broadcast_to(x: Traced, shape: Any) -> Traced:
    return Traced(apply(shaping.expand, x.tensor, shape=tuple(shape)))


def _flip(x: Traced, *, axis: Any = None) -> Traced:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    flipped = {_axis(x, a) for a in axes}
    return x[tuple(slice(None, None, -1) if i in flipped else slice(None) for i in range(x.ndim))]


def _concat(arrays: Sequence, *, axis: int = 0) -> Traced:
    return Traced(apply(shaping.concat, *[_tensor(x) for x in arrays], axis=axis))


def _stack(arrays: Sequence, *, axis: int = 0) -> Traced:
    return _concat([_expand_dims(x, axis=axis) for x in arrays], axis=axis)


def _take(x: Traced, index: Any, *, axis: int = 0) -> Traced:
    return Traced(apply(gathering.take, x.tensor, plain(index), axis=axis))


def _vecdot(x: Any, y: Any, *, axis: int = -1) -> Any:
    return FUNCTIONS["sum"](x * y, axis=axis)


def _var(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    mean = FUNCTIONS["mean"](x, axis=axis, keepdims=True)
    total = FUNCTIONS["sum"]((x - mean) * (x - mean), axis=axis, keepdims=keepdims)
    return total / (x.size // max(mean.size, 1) - correction)


def _cumulative(op: Any) -> Callable:
    def function(x: Traced, *, axis: int) -> Traced:
        return Traced(apply(op, x.tensor, axis=axis))
    return function


def _of_op(op: Any) -> Callable:
    return lambda *arrays, **attrs: Traced(apply(op, *map(_tensor, arrays), **attrs))


NAMED_AS_OPS = """abs acos acosh asin asinh atan atan2 atanh cos cosh exp expm1 log log10 log1p log2 matmul
maximum minimum remainder sin sinh sqrt tan tanh where"""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_op(OPS[name]) for name in NAMED_AS_OPS.split()},
    **{name: _of_op(op) for name, op in (
        ("add", elementwise.add), ("divide", elementwise.div), ("multiply", elementwise.mul),
        ("negative", elementwise.neg), ("pow", elementwise.pow), ("subtract", elementwise.sub))},
    "square": lambda x: x * x, "reciprocal": lambda x: 1 / x, "positive": lambda x: x, "vecdot": _vecdot,
    "var": _var, "std": lambda x, **settings: FUNCTIONS["sqrt"](_var(x, **settings)),
    "hypot": lambda x, y: FUNCTIONS["sqrt"](x * x + y * y),
    "asarray": _asarray, "astype": _astype, "broadcast_to": _broadcast_to, "clip": _clip, "concat": _concat,
    "cumulative_prod": _cumulative(cumulative.cumprod), "cumulative_sum": _cumulative(cumulative.cumsum),
    "expand_dims": _expand_dims, "flip": _flip, "matrix_transpose": _matrix_transpose,
    "max": _reduced(reduction.max), "mean": _reduced(reduction.mean), "min": _min, "moveaxis": _moveaxis,
    "permute_dims": _permute_dims, "prod": _reduced(reduction.prod), "reshape": _reshape, "squeeze": _squeeze,
    "stack": _stack, "sum": _reduced(reduction.sum), "take": _take,
}
# their derivative is 0 wherever there is one, or they say nothing about values
FLAT = """all any argmax argmin argsort bitwise_and bitwise_invert bitwise_or bitwise_xor ceil empty_like
equal finfo floor floor_divide full_like greater greater_equal iinfo isdtype isfinite isinf isnan less
less_equal logical_and logical_not logical_or logical_xor nonzero not_equal ones_like round searchsorted sign
signbit trunc unique_values zeros_like"""
_FLAT = frozenset(FLAT.split())


class _Namespace:
    """The Array API's functions on traced arrays; the library's own where no gradient is wanted."""

    def __init__(self, extension: str = ""):
        self._extension = extension  # "linalg" or "fft"

    def __getattr__(self, name: str) -> Any:
        library = here.backend.namespace
        native = getattr(getattr(library, self._extension) if self._extension else library, name)
        if isinstance(native, types.ModuleType):
            return _Namespace(name)
        if not callable(native) or isinstance(native, type):
            return native

        def function(*args: Any, **kwargs: Any) -> Any:
            if (self._extension or name not in _FLAT) and _is_wanted(*args, *kwargs.values()):
                if self._extension or name not in FUNCTIONS:
                    raise NotImplementedError(f"{name} is not recorded, so no gradient comes back through "
                                              "it; give it x.detach(), or use a function of cnnkit")
                return FUNCTIONS[name](*args, **kwargs)
            return _wrapped(native(*plain(args), **{key: plain(value) for key, value in kwargs.items()}))
        return function


class _RecordedKernels(dict):
    """A kernel for every op, which runs it as the tape's call, so with the backend's own kernels."""

    def get(self, name: str, default: Any = ()) -> Any:
        op = OPS.get(name)
        if op is None:
            return ()

        def kernel(*arrays: Any, needs: Sequence[bool], **attrs: Any) -> Any:
            if any(needs):  # the body runs on traced arrays, because its backward is to be recorded
                return NotImplemented
            results = apply(op, *map(_tensor, arrays), **attrs)
            if op.outputs == 1:
                return Traced(results), None
            found = iter(results if isinstance(results, tuple) else (results,))
            return tuple(Traced(next(found)) if p in op.shown else None for p in range(op.outputs)), None
        return (kernel,)


class _TracedBackend(Backend):
    """What ops must know of traced arrays: their library is that of the block in which they are made."""

    name = "traced"
    namespace: Any = _Namespace()  # type: ignore[assignment]

    @property
    def dtypes(self) -> tuple[str, ...]:  # type: ignore[override]
        return here.backend.dtypes

    def dtype(self, dtype: Any) -> Any:
        return here.backend.dtype(dtype)

    def owns(self, array: Any) -> bool:
        return isinstance(array, Traced)

    def resolve(self) -> Tables:
        return TABLES

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Traced:
        return Traced(Value.result._of(here.backend.asarray(plain(data), dtype, device)))

    def to_numpy(self, array: Any) -> Any:
        return here.backend.to_numpy(plain(array))

    def axis_order(self, array: Any) -> tuple[int, ...]:
        return here.backend.axis_order(plain(array))

    def assign(self, array: Any, select: Callable, values: Any) -> Traced:
        xp = here.backend.namespace
        places = select(xp.reshape(xp.arange(array.size, device=array.device), array.shape))
        values = _broadcast_to(values, places.shape)
        return _reshape(self.put(_reshape(array, (-1,)), xp.reshape(places, (-1,)), _reshape(values, (-1,))),
                        array.shape)

    def put(self, array: Any, positions: Any, values: Any) -> Traced:
        return Traced(apply(assigning.index_put, array.tensor, values.tensor, index=plain(positions)))


TABLES = Tables(_RecordedKernels(), Tables.of([]).root, ())
BACKEND = _TracedBackend()
Traced.__cnnkit_backend__ = BACKEND  # type: ignore[attr-defined]
