"""Arrays beside the tape: index arrays made where a Tensor lies, and results that have no gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit import backends
from cnnkit.autograd.value import Value
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
