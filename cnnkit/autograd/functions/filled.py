"""New Tensors of one value: zeros, ones, any number.

All take PyTorch's ``dtype=``, ``device=`` and ``requires_grad=``, and ``backend=``; by default they are
made where `cnnkit.use` says, in the default dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.functions.placing import like, make, sizes_of
from cnnkit.autograd.value import Number, Value

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["empty", "empty_like", "full", "full_like", "ones", "ones_like", "scalar_tensor", "zeros",
           "zeros_like"]


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
          backend: Any = None) -> Tensor:
    """Zeros of a shape, given as numbers or as one tuple.

    >>> import cnnkit
    >>> cnnkit.zeros(2, 2), cnnkit.zeros((2,), dtype=cnnkit.int64)
    (tensor([[0., 0.],
            [0., 0.]]), tensor([0, 0]))
    """
    shape = sizes_of("zeros", size)
    return make(lambda xp, **kwargs: xp.zeros(shape, **kwargs), dtype or backends.get_default_dtype(), device,
                backend, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
         backend: Any = None) -> Tensor:
    """Ones of a shape, given as numbers or as one tuple.

    >>> import cnnkit
    >>> cnnkit.ones(3, dtype=cnnkit.bool)
    tensor([ True,  True,  True])
    """
    return full(sizes_of("ones", size), 1, dtype=dtype or backends.get_default_dtype(), device=device,
                requires_grad=requires_grad, backend=backend)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
          memory_format: Any = None, backend: Any = None) -> Tensor:
    """A Tensor whose numbers are still to be set: zeros, so that a program repeats.

    >>> import cnnkit
    >>> cnnkit.empty(2, 3).shape
    (2, 3)
    """
    return zeros(sizes_of("empty", size), dtype=dtype, device=device, requires_grad=requires_grad,
                 backend=backend)


def full(size: Any, fill_value: Number | Value, *, dtype: Any = None, device: Any = None,
         requires_grad: bool = False, backend: Any = None) -> Tensor:
    """One value everywhere; without `dtype`, in the value's kind: bool, int64 or the default dtype.

    >>> import cnnkit
    >>> cnnkit.full((2,), 0.5), cnnkit.full((2,), 3)
    (tensor([0.5, 0.5]), tensor([3, 3]))
    """
    value = fill_value.item() if isinstance(fill_value, Value) else fill_value
    if dtype is None:
        dtype = (fill_value.dtype if isinstance(fill_value, Value) else "bool" if isinstance(value, bool)
                 else "int64" if isinstance(value, int) else backends.get_default_dtype())
    kind = backends.dtype(dtype).kind
    value = {"bool": bool, "int": int, "float": float, "complex": complex}[kind](value)
    shape = sizes_of("full", (size,) if isinstance(size, tuple | list) else ((size,),))
    return make(lambda xp, **kwargs: xp.full(shape, value, **kwargs), dtype, device, backend, requires_grad)


def scalar_tensor(s: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
                  backend: Any = None) -> Tensor:
    """A Tensor without axes, in the default dtype.

    >>> import cnnkit
    >>> cnnkit.scalar_tensor(2)
    tensor(2.)
    """
    return full((), s, dtype=dtype or backends.get_default_dtype(), device=device,
                requires_grad=requires_grad, backend=backend)


def full_like(input: Value, fill_value: Number | Value, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """One value everywhere, with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.full_like(cnnkit.tensor([1.0, 2.0]), 7)
    tensor([7., 7.])
    """
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=like(input, device),
                requires_grad=requires_grad)


def zeros_like(input: Value, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               memory_format: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.zeros_like(cnnkit.tensor([1, 2]))
    tensor([0, 0])
    """
    return zeros(input.shape, dtype=dtype or input.dtype, device=like(input, device),
                 requires_grad=requires_grad)


def ones_like(input: Value, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              memory_format: Any = None) -> Tensor:
    """Ones with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.ones_like(cnnkit.tensor([1, 2]), dtype=cnnkit.float32)
    tensor([1., 1.])
    """
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Value, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               memory_format: Any = None) -> Tensor:
    """`empty` with the shape, dtype and device of `input`.

    >>> import cnnkit
    >>> cnnkit.empty_like(cnnkit.tensor([1, 2])).dtype
    cnnkit.int64
    """
    return zeros_like(input, dtype=dtype, device=device, requires_grad=requires_grad)


def _new_zeros(input: Value, *size: Any, dtype: Any = None, device: Any = None,
               requires_grad: bool = False) -> Tensor:
    """Zeros of another shape, with this Tensor's dtype and device."""
    return zeros(sizes_of("new_zeros", size), dtype=dtype or input.dtype, device=like(input, device),
                 requires_grad=requires_grad)


def _new_ones(input: Value, *size: Any, dtype: Any = None, device: Any = None,
              requires_grad: bool = False) -> Tensor:
    """Ones of another shape, with this Tensor's dtype and device."""
    return _new_full(input, sizes_of("new_ones", size), 1, dtype=dtype, device=device,
                     requires_grad=requires_grad)


def _new_full(input: Value, size: Any, fill_value: Number | Value, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False) -> Tensor:
    """One value everywhere, with this Tensor's dtype and device."""
    return full(size, fill_value, dtype=dtype or input.dtype, device=like(input, device),
                requires_grad=requires_grad)


class FilledMethods(Value):
    """Factories that take dtype and device from a Tensor, as its methods."""

    __slots__ = ()

    new_zeros = _new_zeros
    new_empty = _new_zeros
    new_ones = _new_ones
    new_full = _new_full
