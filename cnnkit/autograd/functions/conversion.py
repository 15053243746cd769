"""Other dtypes and other places for a Tensor's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.value import Value
from cnnkit.ops import shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["is_complex", "is_floating_point", "is_tensor", "numel"]

TYPES = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16",
         "BFloat16Tensor": "bfloat16", "LongTensor": "int64", "IntTensor": "int32", "ShortTensor": "int16",
         "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool"}


def is_floating_point(input: Value) -> bool:
    """Whether the elements are real floating-point numbers.

    >>> import cnnkit
    >>> cnnkit.is_floating_point(cnnkit.tensor([1.0])), cnnkit.tensor([1]).is_floating_point()
    (True, False)
    """
    return input.dtype.is_floating_point


def is_complex(input: Value) -> bool:
    """Whether the elements are complex numbers.

    >>> import cnnkit
    >>> cnnkit.is_complex(cnnkit.tensor([1.0]))
    False
    """
    return input.dtype.is_complex


def is_tensor(obj: Any) -> bool:
    """Whether an object is a Tensor.

    >>> import cnnkit
    >>> cnnkit.is_tensor(cnnkit.tensor([1.0])), cnnkit.is_tensor([1.0])
    (True, False)
    """
    return isinstance(obj, Value)


def numel(input: Value) -> int:
    """Number of elements.

    >>> import cnnkit
    >>> cnnkit.numel(cnnkit.zeros(2, 3))
    6
    """
    return input.numel()


def to(input: Value, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
       copy: bool = False, memory_format: Any = None) -> Tensor:
    """Move to a device, or convert to a dtype, or both; the Tensor itself where nothing is to be done.

    ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` and ``to(other)``, the latter with another Tensor's
    device and dtype. Moving to another backend starts a new tape: the result is a leaf. Converting is
    recorded.

    Parameters
    ----------
    device : str or device, optional
        ``"cpu"``, ``"cuda:0"``, or a backend, ``"cupy:1"``.
    dtype : dtype or str, optional
        ``cnnkit.float64``, ``"float64"``.
    copy : bool
        Copy also where nothing is to be done.
    non_blocking, memory_format
        PyTorch's, and ignored.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1, 2])
    >>> x.to("cpu") is x, x.to(cnnkit.float64), x.to("cpu", cnnkit.float32)
    (True, tensor([1., 2.], dtype=float64), tensor([1., 2.]))
    """
    device, dtype, forced = place_and_dtype(args, device, dtype)
    new = input if device is None else _moved(input, device)
    if dtype is not None and new.dtype != dtype:
        native = new._backend().dtype(dtype)  # JAX may have no 64 bits, and give 32
        if backends.dtype_of(native) is not new.dtype:
            new = apply(shaping.cast, new, dtype=native)
    if (copy or forced) and new is input:
        return new.clone()  # type: ignore[attr-defined]
    return new  # type: ignore[return-value]


def place_and_dtype(args: tuple[Any, ...], device: Any, dtype: Any) -> tuple[Any, str | None, bool]:
    """What the arguments of ``to()`` mean: a device or ``None``, a dtype's name or ``None``, and ``copy``."""
    rest: list = []
    if args:
        first, *rest = args
        if isinstance(first, Value):
            device, dtype = first.device, first.dtype
        elif is_dtype(first):
            dtype = first
        else:
            device = first
            if rest and (rest[0] is None or is_dtype(rest[0])):
                dtype = rest.pop(0)
    return device, None if dtype is None else dtype_named(dtype), len(rest) > 1 and bool(rest[1])


def is_dtype(value: Any) -> bool:
    """Whether a value names a dtype, and no place."""
    if value is None or isinstance(value, int | Value):
        return False
    return isinstance(value, backends.dtype) or dtype_named(value) in backends.DTYPES


def dtype_named(value: Any) -> str:
    """A dtype's name from whatever PyTorch takes: ``cnnkit.long``, ``"torch.FloatTensor"``, ``np.int64``."""
    name = backends.dtype_name(value)
    return TYPES.get(name, name)


def _moved(input: Value, device: Any) -> Value:
    if isinstance(device, int) or device == "cpu":
        device = backends.device(device)
    array = input.array
    here = backends.backend_of(array)
    if isinstance(device, backends.device) and device.backend is None and (
            device.type == "cpu" == input.device.type):
        return input
    backend, place = backends.place(device)
    if backend is here and (place is None or place == getattr(array, "device", None)):
        return input
    return Value.result(backend.asarray(array, device=place), input.requires_grad and input.is_leaf)


def _cpu(input: Value) -> Tensor:
    """Move to the host's memory; the Tensor itself where its library computes there."""
    return to(input, "cpu")


def _cuda(input: Value, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Move to a CUDA device, the current one or `device`."""
    return to(input, backends.device("cuda" if device is None else device))


def _converting(dtype: str) -> Any:
    def convert(input: Value) -> Tensor:
        return to(input, dtype=dtype)
    convert.__doc__ = f"Convert to {dtype}."
    return convert


def _type(input: Value, dtype: Any = None) -> Any:
    """PyTorch's name of a Tensor of this dtype; or the Tensor converted to `dtype`."""
    if dtype is not None:
        return to(input, dtype=dtype)
    names = {name: kind for kind, name in TYPES.items()}
    return f"torch.{'cuda.' if input.is_cuda else ''}{names.get(input.dtype.name, 'Tensor')}"


def _type_as(input: Value, other: Value) -> Tensor:
    """Convert to the dtype, and move to the device, of `other`."""
    return to(input, other)


class ConversionMethods(Value):
    """Conversions and moves, as a Tensor's methods."""

    __slots__ = ()

    is_floating_point = is_floating_point
    is_complex = is_complex
    to = to
    cpu = _cpu
    cuda = _cuda
    type = _type
    type_as = _type_as
    half: Any = _converting("float16")
    bfloat16: Any = _converting("bfloat16")
    float: Any = _converting("float32")
    double: Any = _converting("float64")
    char: Any = _converting("int8")
    short: Any = _converting("int16")
    int: Any = _converting("int32")
    long: Any = _converting("int64")
    byte: Any = _converting("uint8")
    bool: Any = _converting("bool")
