"""Looking without a trace: Tensors that are afterwards what they were before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cnnkit.autograd.value import Value

__all__ = ["kept"]


@contextmanager
def kept(tensors: Iterable[Value]) -> Iterator[None]:
    """A block after which these leaf Tensors have the values, versions, gradients and hooks that they
    had before it.

    Inside it they have no hooks: those are for gradients that somebody asked for.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0])
    >>> with kept([x]):
    ...     print(x.zero_().item())
    0.0
    >>> x.item()
    1.0
    """
    before = [(t, t.array, t._version[0], t.grad, t._hooks) for t in tensors]
    for tensor, *_ in before:
        tensor._hooks = None
    try:
        yield
    finally:
        for tensor, array, version, grad, hooks in before:
            tensor._value, tensor._link, tensor._position = array, None, 0
            tensor._version[0], tensor.grad, tensor._hooks = version, grad, hooks
