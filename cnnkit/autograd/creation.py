"""Making Tensors from numbers, lists and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit import backends
from cnnkit.autograd.tensors import Tensor
from cnnkit.autograd.value import Number
from cnnkit.foreign import detached

__all__ = ["tensor"]


def tensor(data: Any, requires_grad: bool = False, *, dtype: Any = None, backend: Any = None) -> Tensor:
    """Copy `data` into a new leaf Tensor.

    Parameters
    ----------
    data : number, nested lists, array or Tensor
        NumPy arrays and Python numbers go to `backend`; arrays of other libraries stay with their
        own library unless `backend` is given. Tensors, PyTorch's too, come without their history.
    requires_grad : bool
        Record what is done with it.
    dtype : str or dtype, optional
        ``"float32"``...; by default an array keeps its own, Python floats become float32 and
        Python ints int64.
    backend : str, optional
        Where the array is made, ``"cupy"`` or ``"cupy:1"``; by default where `cnnkit.use` says.

    >>> tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """
    if isinstance(data, Tensor):
        data = data.array
    target, device = backends.place(backend)
    if hasattr(data, "dtype"):
        source = backends.backend_of(data)
        if source is not target and not source.host and backend is None:
            target, device = source, None
        return Tensor(target.asarray(data, data.dtype if dtype is None else dtype, device), requires_grad)
    data = _without_gradients(data)
    if dtype is None:
        kind = _kind_of(data)
        dtype = {"float": "float32", "int": "int64", "bool": "bool"}[kind]
    return Tensor(target.asarray(data, dtype, device), requires_grad)


def _without_gradients(data: Any) -> Any:
    """Nested lists with the values of Tensors, of any library, that require a gradient."""
    if not isinstance(data, list | tuple) or not data or isinstance(data[0], Number):
        return data  # all are numbers, or what `_kind_of` refuses
    return [_without_gradients(d) if isinstance(d, list | tuple) else detached(d) for d in data]


def _kind_of(data: Any) -> str:
    """float, int or bool: the widest kind among Python numbers in nested lists."""
    if isinstance(data, Tensor) or hasattr(data, "dtype"):
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
