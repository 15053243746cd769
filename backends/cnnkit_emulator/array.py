"""The emulator's arrays: NumPy's behind a type of its own, so that what would fail on a GPU fails here too.

Nothing converts to NumPy by accident: `__array_ufunc__` is None and `__array__` raises, as CuPy's do.
`NAMESPACE` has the Array API's names and no others; bfloat16, as on CuPy, only where ml_dtypes is installed.
What is computed is in C order whatever the order of the arguments, as on CuPy; NumPy would keep it.
"""

from __future__ import annotations

import importlib.util
import operator
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["NAMESPACE", "Array", "poisoned"]

DEVICE = "emulator"


class Array:
    """Memory of the emulated device. `host` is for the backend and the launcher only."""

    __slots__ = ("__weakref__", "host")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray):
        self.host = host

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("an array of the emulated device does not turn into a NumPy array by itself; "
                        "use backend.to_numpy(array)")

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return NAMESPACE

    device = property(lambda self: DEVICE)
    dtype = property(lambda self: self.host.dtype)
    shape = property(lambda self: self.host.shape)
    strides = property(lambda self: self.host.strides)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    T = property(lambda self: wrap(self.host.T))
    mT = property(lambda self: wrap(self.host.mT))

    def to_device(self, device: str, /, *, stream: Any = None) -> Array:
        _check_device(device)
        return self

    def __getitem__(self, index: Any) -> Array:
        return wrap(in_c_order(self.host[unwrap(index)], self.host))

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[unwrap(index)] = unwrap(value)

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Any:
        return map(wrap, self.host)

    def __repr__(self) -> str:
        return f"emulator.{self.host!r}"


def _number(name: str) -> Any:
    return lambda self: getattr(self.host, name)()


def _unary(name: str) -> Any:
    function = getattr(operator, name)
    return lambda self: wrap(in_c_order(function(self.host)))


def _weak(args: tuple) -> tuple:
    """Python's floats as bfloat16 where an array is of that dtype: NumPy would compute in float32."""
    kind = next((a.dtype.type for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "V"), None)
    return args if kind is None else tuple(kind(a) if type(a) is float else a for a in args)


def _product(a: Any, b: Any) -> Any:
    """matmul with the dtype of its operands: NumPy's gives float32 for bfloat16."""
    return np.matmul(a, b).astype(np.result_type(a, b), copy=False)


def _binary(name: str, reflected: bool) -> Any:
    function = _product if name == "__matmul__" else getattr(operator, name)

    def method(self: Array, other: Any) -> Any:
        if not isinstance(other, Array | bool | int | float | complex | np.generic):
            return NotImplemented
        own_host, other = _weak((self.host, unwrap(other)))
        return wrap(in_c_order(function(other, own_host) if reflected else function(own_host, other)))
    return method


def _in_place(name: str) -> Any:
    function = getattr(operator, name)

    def method(self: Array, other: Any) -> Any:
        if not isinstance(other, Array | bool | int | float | complex | np.generic):
            return NotImplemented
        self.host = function(*_weak((self.host, unwrap(other))))
        return self
    return method


for _name in ("bool", "int", "float", "complex", "index"):
    setattr(Array, f"__{_name}__", _number(f"__{_name}__"))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Array, f"__{_name}__", _unary(f"__{_name}__"))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
              "xor", "lshift", "rshift"):
    setattr(Array, f"__{_name}__", _binary(f"__{_name}__", False))
    setattr(Array, f"__r{_name}__", _binary(f"__{_name}__", True))
    setattr(Array, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(Array, f"__{_name}__", _binary(f"__{_name}__", False))


def wrap(value: Any) -> Any:
    """NumPy's results as arrays of the device; its scalars too, because a device has only arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return Array(np.asarray(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(wrap, value))
    return type(value)(map(wrap, value)) if isinstance(value, list | tuple) else value


def in_c_order(value: Any, *sources: Any) -> Any:
    """A result of NumPy's in C order, as CuPy's are; views of the `sources` stay what they are."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(in_c_order(v, *sources) for v in value))
    if isinstance(value, list | tuple):
        return type(value)(in_c_order(v, *sources) for v in value)
    if (not isinstance(value, np.ndarray) or value.flags.c_contiguous
            or any(isinstance(s, np.ndarray) and np.may_share_memory(value, s) for s in sources)):
        return value
    return np.ascontiguousarray(value)


def unwrap(value: Any) -> Any:
    """The device's arrays as NumPy's; a NumPy array would be a hidden transfer, and is refused."""
    if isinstance(value, Array):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError("a function of the emulated device got a NumPy array; "
                        "move it with backend.asarray(array)")
    return type(value)(map(unwrap, value)) if isinstance(value, list | tuple) else value


def _check_device(device: Any) -> None:
    if device not in (None, DEVICE):
        raise ValueError(f"the emulator has one device, {DEVICE!r}; got {device!r}")


def poisoned(shape: Any, dtype: Any) -> np.ndarray:
    """Memory that nobody has written: NaN, or the integer whose bits are all 1."""
    array = np.empty(shape, dtype)
    if array.size:
        array.reshape(-1).view(np.uint8).fill(0xFF)
    return array


def _count(*args: Any, **kwargs: Any) -> np.ndarray:
    """An array, also where NumPy (2.0) gives a number of Python's."""
    return np.asarray(np.count_nonzero(*args, **kwargs))


def _function(name: str) -> Any:
    function = {"matmul": _product, "count_nonzero": _count}.get(name) or getattr(np, name)

    def wrapped(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        _check_device(device)
        args = _weak(unwrap(args))
        result = function(*args, **{k: unwrap(v) for k, v in kwargs.items()})
        if name not in KEEP_ORDER:
            sources = args[0] if args and isinstance(args[0], list | tuple) else args
            result = in_c_order(result, *sources)
        return wrap(result)
    wrapped.__name__ = name
    return wrapped


def _asarray(data: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Array:
    """The one way to the device: numbers, nested lists, and NumPy arrays, which are always copied."""
    _check_device(device)
    on_device = isinstance(data, Array)
    return Array(np.asarray(data.host if on_device else data, dtype=dtype,
                            copy=copy if on_device or copy is False else True))


FUNCTIONS = """
    abs acos acosh add all any arange argmax argmin argsort asin asinh astype atan atan2 atanh bitwise_and
    bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_to
    can_cast ceil clip concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide
    equal exp expand_dims expm1 eye finfo flip floor floor_divide full full_like greater greater_equal hypot
    iinfo imag isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min
    minimum moveaxis multiply negative nextafter nonzero not_equal ones ones_like permute_dims positive pow
    prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin sinh
    sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu
    trunc unique_all unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like
"""
KEEP_ORDER = {"astype", "full_like", "ones_like", "roll", "zeros_like"}  # on CuPy too
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"

BFLOAT16 = ({"bfloat16": importlib.import_module("ml_dtypes").bfloat16}
            if importlib.util.find_spec("ml_dtypes") else {})

NAMESPACE = SimpleNamespace(
    __name__="cnnkit_emulator", __array_api_version__="2024.12", asarray=_asarray,
    e=np.e, pi=np.pi, inf=np.inf, nan=np.nan, newaxis=None,
    empty=lambda shape, *, dtype=np.float64, device=None: Array(poisoned(shape, dtype)),
    empty_like=lambda x, /, *, dtype=None, device=None: Array(poisoned(x.shape, dtype or x.dtype)),
    **{name: getattr(np, name) for name in DTYPES.split()}, **BFLOAT16,
    **{name: _function(name) for name in FUNCTIONS.split() if hasattr(np, name)})
