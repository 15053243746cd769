"""Dtypes, the same for every array library: names that are objects, and what PyTorch says of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

from cnnkit.suggestions import DTYPE, Elsewhere

__all__ = ["ALIASES", "DTYPES", "can_cast", "dtype", "dtype_name", "dtype_of", "finfo", "get_default_dtype",
           "iinfo", "number_dtype", "promote_types", "result_type", "set_default_dtype"]

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "bfloat16", "float32", "float64", "complex64", "complex128")
# PyTorch's other names for them
ALIASES = {"half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32",
           "long": "int64", "cfloat": "complex64", "cdouble": "complex128"}
FLOATS = {"float16": (16, 10, 15), "bfloat16": (16, 7, 127), "float32": (32, 23, 127),
          "float64": (64, 52, 1023)}  # name -> bits, bits after the point, largest exponent
KINDS = ("bool", "int", "float", "complex")  # in order: of two kinds, the later is the result's
REMEMBERED = 256
_names: dict[tuple[type, Any], str] = {}  # because NumPy takes long to make a dtype's name


def dtype_name(dtype: Any) -> str:
    """A dtype's plain name, whichever library it comes from.

    >>> import numpy
    >>> dtype_name(numpy.float32), dtype_name(numpy.dtype("int64")), dtype_name("bool")
    ('float32', 'int64', 'bool')
    """
    try:
        # with the type, because libraries warn when their dtypes are compared with others'
        return _names[key := (type(dtype), dtype)]
    except (KeyError, TypeError):  # new, or not hashable
        pass
    name = (dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
            or getattr(dtype, "__name__", None) or str(dtype))
    name = {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)
    name = name.rsplit(".", 1)[-1]
    if len(_names) < REMEMBERED and isinstance(dtype, Hashable):
        _names[key] = name
    return name


class dtype(str):
    """A dtype: what ``x.dtype`` is, on every backend, and ``cnnkit.float32`` is one.

    It is its name, so that whatever takes the name takes it (NumPy too), and equals every library's own dtype
    of that name. There is one object for each.

    Parameters
    ----------
    name : str or dtype
        ``"float32"``..., or any library's dtype object.

    >>> import cnnkit, numpy
    >>> x = cnnkit.tensor([1.0])
    >>> x.dtype, x.dtype is cnnkit.float32, x.dtype == numpy.float32, x.dtype == "float32"
    (cnnkit.float32, True, True, True)
    >>> numpy.zeros(2, cnnkit.int64).dtype == cnnkit.int64, cnnkit.int64.is_floating_point
    (True, False)
    """

    __slots__ = ()

    def __new__(cls, name: Any) -> dtype:
        name = dtype_name(name)
        return _objects[name] if name in _objects else _objects.setdefault(name, str.__new__(cls, name))

    @property
    def name(self) -> str:
        """The plain name."""
        return dtype_name(self)

    @property
    def kind(self) -> str:
        """``"bool"``, ``"int"``, ``"float"`` or ``"complex"``."""
        return next(kind for kind in KINDS if kind in self)

    @property
    def is_floating_point(self) -> bool:
        """Whether it is a real floating-point dtype."""
        return "float" in self

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex dtype."""
        return self.kind == "complex"

    @property
    def is_signed(self) -> bool:
        """Whether it has numbers below zero."""
        return self.kind != "bool" and not self.startswith("u")

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return 1 if self == "bool" else int(self.lstrip("bcdefilmnoptuxa")) // 8

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return other is not None and str.__eq__(self, dtype_name(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__: ClassVar[Callable[..., int]] = str.__hash__  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"cnnkit.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype, (self.name,)


_objects: dict[str, dtype] = {}
for _name in DTYPES:
    dtype(_name)
for _name, _advice in DTYPE.items():
    setattr(dtype, _name, Elsewhere(_name, _advice))


# typed, because some libraries' dtypes have equal hashes and warn when they are compared
@functools.lru_cache(typed=True)
def dtype_of(native: Any) -> dtype:
    """The `dtype` of an array library's own.

    >>> import numpy
    >>> dtype_of(numpy.dtype("float32"))
    cnnkit.float32
    """
    return dtype(native)


# -- the dtype of Python floats ------------------------------------------------------------------------------

_default = dtype("float32")


def get_default_dtype() -> dtype:
    """The dtype that Python floats become, and that factories make where nothing else is said.

    >>> get_default_dtype()
    cnnkit.float32
    """
    return _default


def set_default_dtype(d: Any) -> None:
    """Let Python floats become `d`, a floating-point dtype, from now on in the whole process.

    Raises
    ------
    TypeError
        If `d` is not a floating-point dtype.

    >>> set_default_dtype("float32")
    """
    global _default  # noqa: PLW0603
    if dtype_name(d) not in FLOATS:
        raise TypeError(f"the default dtype must be floating-point, {', '.join(FLOATS)}; got {d!r}")
    _default = dtype(d)


# -- what PyTorch says of dtypes -----------------------------------------------------------------------------

def promote_types(type1: Any, type2: Any) -> dtype:
    """The smallest dtype that both convert to, by PyTorch's rules: a float wins over any integer.

    Raises
    ------
    TypeError
        For uint64 beside a signed integer, which no integer holds.

    >>> promote_types("int64", "float16"), promote_types("uint8", "int8")
    (cnnkit.float16, cnnkit.int16)
    """
    first, second = dtype(type1), dtype(type2)
    if first is second:
        return first
    rank, other = KINDS.index(first.kind), KINDS.index(second.kind)
    if rank != other:
        low, high = (first, second) if rank < other else (second, first)
        return dtype("complex128") if (low, high) == ("float64", "complex64") else high
    small, large = sorted((first, second), key=lambda d: d.itemsize)
    if small.itemsize == large.itemsize and small.kind == "float":
        return dtype("float32")  # float16 beside bfloat16
    if small.kind == "int" and small.is_signed != large.is_signed:
        if small.itemsize < large.itemsize and large.is_signed:
            return large
        if large.itemsize == 8:
            raise TypeError(f"{first.name} and {second.name} have no common dtype; convert one with .to()")
        return dtype(f"int{16 * large.itemsize}")
    return large


def can_cast(from_: Any, to: Any) -> bool:
    """Whether PyTorch lets a result of dtype `from_` be stored in `to`: not a float in an integer, say.

    >>> can_cast("float64", "float16"), can_cast("float32", "int64")
    (True, False)
    """
    return KINDS.index(dtype(from_).kind) <= KINDS.index(dtype(to).kind)


def result_type(*tensors: Any) -> dtype:
    """The dtype of arithmetic with these: a float wins over an integer, and within a kind what has axes.

    Parameters
    ----------
    *tensors : Tensor, array or number
        One without axes counts for its kind alone (float64 without axes beside float32 with some gives
        float32), and a Python number less still.

    >>> import cnnkit
    >>> cnnkit.result_type(cnnkit.tensor([1]), 2.5), cnnkit.result_type(cnnkit.tensor([1], dtype="int8"), 300)
    (cnnkit.float32, cnnkit.int8)
    """
    groups: list[dtype | None] = [None, None, None]  # of what has axes, of what has none, of numbers
    for value in tensors:
        if hasattr(value, "dtype"):
            level, given = (0 if len(value.shape) else 1), dtype_of(value.dtype)
        else:
            level, given = 2, number_dtype(value)
        known = groups[level]
        groups[level] = given if known is None else promote_types(known, given)
    result: dtype | None = None
    for group in groups:
        if group is not None and (result is None or KINDS.index(group.kind) > KINDS.index(result.kind)):
            result = group
    if result is None:
        raise ValueError("result_type needs at least one Tensor or number")
    return result


def number_dtype(number: Any) -> dtype:
    """The dtype of a Python number: bool, int64 or the default dtype.

    >>> number_dtype(True), number_dtype(1), number_dtype(1.0)
    (cnnkit.bool, cnnkit.int64, cnnkit.float32)
    """
    if isinstance(number, complex):
        return dtype("complex128" if _default == "float64" else "complex64")
    return dtype("bool" if isinstance(number, bool) else "int64") if isinstance(number, int) else _default


class finfo:
    """The numbers of a floating-point dtype: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``resolution``.

    >>> finfo("float32").eps, finfo("float16").max
    (1.1920928955078125e-07, 65504.0)
    """

    bits: int
    dtype: str
    smallest_normal: float
    tiny: float

    def __init__(self, type: Any = None):
        name = dtype_name(get_default_dtype() if type is None else type)
        if name not in FLOATS:
            raise TypeError(f"finfo is for floating-point dtypes; got {name}: use iinfo for integers")
        self.dtype, (self.bits, digits, largest) = name, FLOATS[name]
        self.eps: float = 2.0**-digits
        self.max: float = (2.0 - self.eps) * 2.0**largest
        self.min: float = -self.max
        self.tiny = self.smallest_normal = 2.0**(1 - largest)
        self.resolution: float = 10.0**-math.floor(digits * math.log10(2))

    def __repr__(self) -> str:
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
                f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})")


class iinfo:
    """The range of an integer dtype: ``bits``, ``min``, ``max``.

    >>> iinfo("uint8").max, iinfo("int64").min
    (255, -9223372036854775808)
    """

    bits: int
    dtype: str

    def __init__(self, type: Any):
        name = dtype(type)
        if name.kind != "int":
            raise TypeError(f"iinfo is for integer dtypes; got {name.name}: use finfo for floats")
        self.dtype, self.bits = name.name, 8 * name.itemsize
        self.min: int = -(1 << (self.bits - 1)) if name.is_signed else 0
        self.max: int = (1 << (self.bits - name.is_signed)) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
