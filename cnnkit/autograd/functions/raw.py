"""Arrays beside the tape: index arrays made where a Tensor lies, and results that have no gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit import backends
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.foreign import device_of
from cnnkit.ops.core import backend_of_inputs

__all__: list[str] = []  # for this package alone


def without_tape(name: str, function: Callable, *inputs: Any, **settings: Any) -> Any:
    """A function of arrays, called with Tensors' arrays: its results are Tensors that require no gradient.

    >>> import cnnkit
    >>> without_tape("double", lambda x: x + x, cnnkit.tensor([1, 2]))
    tensor([2, 4])
    """
    arrays = [v.array if isinstance(v, Value) else v for v in inputs]
    backend = backend_of_inputs(name, [a for a in arrays if hasattr(a, "dtype")])
    with backends.on(next(a for a in arrays if hasattr(a, "dtype"))):
        results = function(*arrays, **settings)
        if isinstance(results, tuple):
            return tuple([Value.result._of(backend.namespace.asarray(r)) for r in results])
        return Value.result._of(backend.namespace.asarray(results))


def positions_like(input: Any, *ends: int) -> Any:
    """The int64 Tensor ``arange(*ends)`` where `input` lies.

    >>> import cnnkit
    >>> positions_like(cnnkit.tensor([1.0]), 1, 4)
    tensor([1, 2, 3])
    """
    array = input.array
    backend = backends.backend_of(array)
    with backends.on(array):
        return Value.result._of(backend.namespace.arange(*ends, dtype=backend.dtype("int64"),
                                                         device=device_of(array)))


def of_one_dtype(name: str, tensors: Any) -> list[Any]:
    """Tensors converted to the dtype that PyTorch's promotion gives: of floats before integers before bools.

    >>> import cnnkit
    >>> [x.dtype.name for x in of_one_dtype("cat", [cnnkit.tensor([1]), cnnkit.tensor([0.5])])]
    ['float32', 'float32']
    """
    if isinstance(tensors, Value):
        raise TypeError(f"{name} takes a list of Tensors; got one of shape {tensors.shape}")
    tensors = list(tensors)
    if not tensors:
        raise ValueError(f"{name} needs at least one Tensor")
    for x in tensors:
        if not isinstance(x, Value):
            raise TypeError(f"{name} takes Tensors; got {type(x).__name__}: {x!r:.60}")
    dtypes = [x.dtype for x in tensors]
    if dtypes.count(dtypes[0]) == len(dtypes):
        return tensors
    dtype = backends.result_type(*tensors)
    return [as_dtype(x, dtype) for x in tensors]


def as_dtype(x: Any, dtype: Any) -> Any:
    """A Tensor converted to a dtype; the same one where it has it."""
    return x if dtype_name(x.dtype) == dtype_name(dtype) else x.to(dtype=dtype)
