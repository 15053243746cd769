"""Making Tensors from numbers, lists and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.functions.conversion import TYPES, dtype_named
from cnnkit.autograd.functions.filled import empty
from cnnkit.autograd.functions.placing import like, place_of
from cnnkit.autograd.value import Number, Value
from cnnkit.foreign import detached

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "CreationMethods", "DoubleTensor",
           "FloatTensor", "HalfTensor", "IntTensor", "LongTensor", "ShortTensor", "as_tensor", "asarray",
           "from_numpy", "tensor"]


def tensor(data: Any, requires_grad: bool = False, *, dtype: Any = None, device: Any = None,
           backend: Any = None, pin_memory: bool = False) -> Tensor:
    """Copy `data` into a new leaf Tensor.

    Parameters
    ----------
    data : number, nested lists, array or Tensor
        NumPy arrays and Python numbers go to `backend`; arrays of other libraries stay with their
        own library unless `backend` is given. Tensors, PyTorch's too, come without their history.
    requires_grad : bool
        Record what is done with it.
    dtype : dtype or str, optional
        ``cnnkit.float32``, ``"float32"``...; by default an array keeps its own, Python floats become the
        default dtype and Python ints int64.
    device : str or device, optional
        ``"cpu"``, ``"cuda:1"``, or another Tensor's ``device``.
    backend : str, optional
        Where the array is made, ``"cupy"`` or ``"cupy:1"``; by default where `cnnkit.use` says.
    pin_memory : bool
        PyTorch's, and ignored.

    >>> tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """
    if isinstance(data, Value):
        data = data.array
    target, place = place_of(device, backend)
    if hasattr(data, "dtype"):
        source = backends.backend_of(data)
        if source is not target and not source.host and backend is None and device is None:
            target, place = source, None
        new = target.asarray(data, dtype_named(data.dtype if dtype is None else dtype), place)
        return Value.result(new, requires_grad)  # type: ignore[return-value]
    data = _without_gradients(data)
    if dtype is None:
        kind = _kind_of(data)
        dtype = {"float": backends.get_default_dtype(), "int": "int64", "bool": "bool"}[kind]
    new = target.asarray(data, dtype_named(dtype), place)
    return Value.result(new, requires_grad)  # type: ignore[return-value]


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of `data` without a copy where that can be; a Tensor keeps its history.

    >>> import numpy
    >>> x = tensor([1.0])
    >>> as_tensor(x) is x, as_tensor(numpy.zeros(2, "int64"))
    (True, tensor([0, 0]))
    """
    if not isinstance(data, Value):
        if not hasattr(data, "dtype") or not hasattr(data, "shape"):
            return tensor(data, dtype=dtype, device=device)
        target, _ = place_of(device, None)
        if backends.backend_of(data) is not target and backends.backend_of(data).host:
            return tensor(data, dtype=dtype, device=device)
        data = Value.result(data if data.shape else target.namespace.asarray(data))
    return data.to(device=device, dtype=dtype)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool = False) -> Tensor:
    """A Tensor of `obj`: a copy with ``copy=True``, and otherwise only where it must be.

    >>> asarray([1, 2])
    tensor([1, 2])
    """
    new: Any = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return new.detach().requires_grad_() if requires_grad else new


def from_numpy(ndarray: Any) -> Tensor:
    """A Tensor that shares the memory of a NumPy array, on the CPU.

    Where `cnnkit.use` chose another library that computes on the CPU, it is a copy in that library.

    Raises
    ------
    TypeError
        If it is no NumPy array.

    >>> import numpy
    >>> values = numpy.array([1.0, 2.0])
    >>> x = from_numpy(values)
    >>> values[0] = 5.0
    >>> x
    tensor([5., 2.], dtype=float64)
    """
    if not hasattr(ndarray, "dtype") or not backends.backend_of(ndarray).host:
        raise TypeError(f"from_numpy needs a NumPy array; got {type(ndarray).__name__}")
    target, place = backends.place(backends.device("cpu"))
    array = ndarray if target.host else target.asarray(ndarray, ndarray.dtype, place)
    return Value.result(array)  # type: ignore[return-value]


class _Typed:
    """PyTorch's constructors by type: of data, or of sizes."""

    __name__: str
    dtype: backends.dtype
    name: str

    def __init__(self, kind: str, dtype: str):
        self.__name__, self.name, self.dtype = kind, dtype, backends.dtype(dtype)

    def __call__(self, *data: Any, device: Any = None) -> Tensor:
        """A Tensor of nested lists or an array; or of sizes given as numbers, its values still to be set."""
        if data and not isinstance(data[0], int):
            return tensor(data[0], dtype=self.dtype, device=device)
        return empty(*(data or (0,)), dtype=self.dtype, device=device)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


FloatTensor: _Typed = _Typed("FloatTensor", TYPES["FloatTensor"])
DoubleTensor: _Typed = _Typed("DoubleTensor", TYPES["DoubleTensor"])
HalfTensor: _Typed = _Typed("HalfTensor", TYPES["HalfTensor"])
BFloat16Tensor: _Typed = _Typed("BFloat16Tensor", TYPES["BFloat16Tensor"])
LongTensor: _Typed = _Typed("LongTensor", TYPES["LongTensor"])
IntTensor: _Typed = _Typed("IntTensor", TYPES["IntTensor"])
ShortTensor: _Typed = _Typed("ShortTensor", TYPES["ShortTensor"])
CharTensor: _Typed = _Typed("CharTensor", TYPES["CharTensor"])
ByteTensor: _Typed = _Typed("ByteTensor", TYPES["ByteTensor"])
BoolTensor: _Typed = _Typed("BoolTensor", TYPES["BoolTensor"])


def _new_tensor(input: Value, data: Any, *, dtype: Any = None, device: Any = None,
                requires_grad: bool = False) -> Tensor:
    """Copy `data` into a new leaf with this Tensor's dtype and device."""
    return tensor(data, requires_grad, dtype=dtype or input.dtype, device=like(input, device))


class CreationMethods(Value):
    """Copying data to where a Tensor is, as its method."""

    __slots__ = ()

    new_tensor = _new_tensor


def _without_gradients(data: Any) -> Any:
    """Nested lists with the values of Tensors, of any library, that require a gradient."""
    if not isinstance(data, list | tuple) or not data or isinstance(data[0], Number):
        return data  # all are numbers, or what `_kind_of` refuses
    return [_without_gradients(d) if isinstance(d, list | tuple) else detached(d) for d in data]


def _kind_of(data: Any) -> str:
    """float, int or bool: the widest kind among Python numbers in nested lists."""
    if isinstance(data, Value) or hasattr(data, "dtype"):
        name = backends.dtype_name(data.dtype)
        return "float" if "float" in name else "bool" if name == "bool" else "int"
    if isinstance(data, Sequence) and not isinstance(data, str):
        kinds = {_kind_of(d) for d in data}
        lengths = {len(d) if isinstance(d, Sequence) else None for d in data}
        if len(lengths) > 1:
            raise ValueError(f"tensor() got rows of different lengths: {data!r:.60}")
        return next((k for k in ("float", "int", "bool") if k in kinds), "float")
    if isinstance(data, Number):
        return type(data).__name__
    raise TypeError("tensor() takes numbers, nested lists and arrays; "
                    f"got {type(data).__name__}: {data!r:.60}")
