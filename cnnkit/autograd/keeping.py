"""Restoring Tensors: a block after which they are what they were before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cnnkit.autograd import sharing
from cnnkit.autograd.value import Value

__all__ = ["kept"]


@contextmanager
def kept(tensors: Iterable[Value]) -> Iterator[None]:
    """A block after which these leaf Tensors have their old values, versions, gradients and hooks.

    Inside it their hooks do not run: those are for the user's own backward passes.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0])
    >>> with kept([x]):
    ...     print(x.zero_().item())
    0.0
    >>> x.item()
    1.0
    """
    saved = [(tensor, tensor.array, tensor._version[0], tensor._grad, tensor._hooks) for tensor in tensors]
    for tensor, *_ in saved:
        tensor._hooks = None
    try:
        yield
    finally:
        for tensor, array, version, grad, hooks in saved:
            tensor._value, tensor._link, tensor._position = array, None, 0
            tensor._version[0], tensor._grad, tensor._hooks = version, grad, hooks
            if tensor._alias is not None:
                sharing.follow(tensor)
