"""Arrays on paper: NumPy's, of zeros that nobody touches; and functions that compute shapes alone."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Array", "Namespace", "Noted"]

ELEMENTWISE = """
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or
    bitwise_right_shift bitwise_xor ceil clip copysign cos cosh divide equal exp expm1 floor floor_divide
    greater greater_equal hypot isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal
    positive pow reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc where
"""
REDUCING = "all any amax amin argmax argmin count_nonzero max mean min prod std sum var"
MAKING = ("arange", "eye", "full", "linspace", "ones", "zeros", "empty")
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"


@dataclass(frozen=True)
class Noted:
    """One launch: a kernel of ours, or an op of the array library's.

    Attributes
    ----------
    name : str
        The instance's name expression, or of another op its name.
    read, written : int
        Bytes of all arrays that it reads, and that it writes.
    grid, block : (int, int, int)
        Zeros where the array library launches.
    dynamic : int
        Bytes of dynamic shared memory.
    values : mapping
        The fields of the structures that it takes by value, of the first that has the name.
    """

    name: str
    read: int
    written: int
    grid: tuple[int, int, int] = (0, 0, 0)
    block: tuple[int, int, int] = (0, 0, 0)
    dynamic: int = 0
    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def moved(self) -> int:
        """Bytes of all arrays, each counted once."""
        return self.read + self.written

    @property
    def blocks(self) -> int:
        """How many blocks the grid has."""
        x, y, z = self.grid
        return x * y * z


class Array:
    """Memory of a GPU that need not be there. `host` has its shape, dtype and strides."""

    __slots__ = ("__weakref__", "host")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]
    paper: Any  # the backend: each has a class of arrays of its own

    def __init__(self, host: np.ndarray):
        self.host = host

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.paper.namespace

    device = property(lambda self: "paper")
    dtype = property(lambda self: self.host.dtype)
    shape = property(lambda self: self.host.shape)
    strides = property(lambda self: self.host.strides)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    T = property(lambda self: type(self)(self.host.T))
    mT = property(lambda self: type(self)(self.host.mT))

    def __getitem__(self, index: Any) -> Any:
        return self.paper.namespace.called("take", operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        part = self.host[_unwrapped(index)]
        self.paper.cuda.note("copy", [value], [part])

    def __len__(self) -> int:
        return len(self.host)


def _number(name: str) -> Callable:
    return lambda self: getattr(self.host, name)()


def _operator(name: str, symbol: str, reflected: bool = False) -> Callable:
    function = getattr(operator, symbol)

    def method(self: Array, *others: Any) -> Any:
        values = (*others, self) if reflected else (self, *others)
        return self.paper.namespace.called(name, function, values, {})
    return method


for _name in ("bool", "int", "float", "complex", "index"):
    setattr(Array, f"__{_name}__", _number(f"__{_name}__"))
for _name, _full in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}.items():
    setattr(Array, f"__{_name}__", _operator(_full, _name))
for _name, _full in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "pow",
                     "floordiv": "floor_divide", "mod": "remainder", "matmul": "matmul",
                     "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
                     "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift"}.items():
    _symbol = f"{_name}_" if _name in ("and", "or") else _name
    setattr(Array, f"__{_name}__", _operator(_full, _symbol))
    setattr(Array, f"__r{_name}__", _operator(_full, _symbol, reflected=True))
    setattr(Array, f"__i{_name}__", _operator(_full, _symbol))
for _name, _full in {"lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal", "gt": "greater",
                     "ge": "greater_equal"}.items():
    setattr(Array, f"__{_name}__", _operator(_full, _name))


class Namespace:
    """The Array API: elementwise functions and reductions compute shapes alone, the others are NumPy's."""

    __name__ = "cnnkit_cupy.paper"
    e, pi, inf, nan, newaxis = np.e, np.pi, np.inf, np.nan, None

    def __init__(self, paper: Any):
        self.paper = paper
        for name in DTYPES.split():
            setattr(self, name, np.dtype(name))
        try:
            import ml_dtypes
        except ImportError:
            return
        self.bfloat16 = np.dtype(ml_dtypes.bfloat16)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np, name):
            raise AttributeError(name)
        function = getattr(np, name)

        def wrapped(*args: Any, device: Any = None, **kwargs: Any) -> Any:
            return self.called(name, function, args, kwargs)
        wrapped.__name__ = name
        setattr(self, name, wrapped)
        return wrapped

    def called(self, name: str, function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """What a function gives, and the launch that it would take: none for a view of its arguments."""
        sources = list(_arrays((*args, *kwargs.values())))
        if name in ELEMENTWISE.split() and sources:
            result = self._shaped(function, args, kwargs)
        elif name in REDUCING.split() and sources:
            result = self._reduced(function, *args, **kwargs)
        else:
            result = function(*_unwrapped(args), **{k: _unwrapped(v) for k, v in kwargs.items()})
        made = [r for r in (result if isinstance(result, list | tuple) else [result])
                if isinstance(r, np.ndarray | np.generic)]
        if name not in MAKING and any(not any(np.may_share_memory(r, s) for s in sources) for r in made):
            self.paper.cuda.note(name, sources, made)
        return self._wrapped(result)

    def astype(self, x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
        """Another dtype, in the same order of memory."""
        if x.dtype == dtype and not copy:
            return x
        result = np.zeros_like(x.host, dtype=dtype)  # zeros_like keeps the order, and touches nothing
        self.paper.cuda.note("astype", [x.host], [result])
        return self.paper.array(result)

    def asarray(self, data: Any, /, *, dtype: Any = None, device: Any = None,
                copy: bool | None = None) -> Array:
        """Numbers and nested lists; a copy of an array is in C order."""
        if isinstance(data, Array):
            if not copy and dtype in (None, data.dtype):
                return data
            result = np.zeros(data.shape, dtype or data.dtype)
            self.paper.cuda.note("copy", [data.host], [result])
            return self.paper.array(result)
        return self.paper.array(np.array(data, dtype=dtype))

    @staticmethod
    def _shaped(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> np.ndarray:
        """An untouched array of the shape and dtype that an elementwise function gives."""
        shape = np.broadcast_shapes(*(a.shape for a in _arrays((*args, *kwargs.values()))))
        one = [np.ones((1,), a.dtype) if isinstance(a, Array) else a for a in args]
        with np.errstate(all="ignore"):
            sample = function(*one, **{k: np.ones((1,), v.dtype) if isinstance(v, Array) else v
                                       for k, v in kwargs.items()})
        return np.zeros(shape, sample.dtype)

    @staticmethod
    def _reduced(function: Callable, x: Array, /, **kwargs: Any) -> np.ndarray:
        """An untouched array of the shape and dtype that a reduction gives."""
        result = function(np.ones((1,) * x.ndim, x.dtype), **kwargs)
        axis = kwargs.get("axis")
        gone = {n % x.ndim for n in (range(x.ndim) if axis is None else np.atleast_1d(axis).tolist())}
        kept = kwargs.get("keepdims", False)
        return np.zeros([1 if n in gone else size for n, size in enumerate(x.shape) if kept or n not in gone],
                        result.dtype)

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return self.paper.array(np.asarray(value))
        return type(value)(map(self._wrapped, value)) if type(value) in (list, tuple) else value


def _arrays(values: Iterable) -> Iterable[np.ndarray]:
    for value in values:
        if isinstance(value, Array):
            yield value.host
        elif isinstance(value, list | tuple):
            yield from _arrays(value)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Array):
        return value.host
    return type(value)(map(_unwrapped, value)) if type(value) in (list, tuple) else value
