"""Counters that are Tensors: what is added to them is added when somebody reads them.

A layer that counts its batches on a device would otherwise launch a kernel at every call, for one number that
hardly anybody looks at.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cnnkit import backends
from cnnkit.autograd.deferral import COMPUTED
from cnnkit.autograd.tape import mode, now
from cnnkit.autograd.value import Value

__all__ = ["count"]


class Addition:
    """A number to add to a Tensor; in the place of a `deferral.Link`, with what others ask one for."""

    __slots__ = ("added", "backend", "metas", "status", "tensor")
    added: int
    status: int
    tensor: Value
    backend: backends.Backend
    metas: tuple[Any, ...]

    def __init__(self, tensor: Value):
        array = tensor.array
        self.tensor, self.added, self.status = tensor, 0, COMPUTED
        self.backend, self.metas = backends.backend_of(array), ((tuple(array.shape), array.dtype),)

    def force(self) -> None:
        """Add the number now."""
        tensor = self.tensor
        tensor._link = None
        _add(tensor, self.added)


def _add(tensor: Value, added: int) -> None:
    array = tensor._value
    with backends.on(array):
        tensor.rebind(backends.namespace_of(array).asarray(array + added))


def count(tensor: Any, added: int = 1) -> None:
    """Add a whole number to a Tensor of integers that is nobody's input, in place, once it is read.

    >>> import cnnkit
    >>> seen = cnnkit.tensor(3)
    >>> count(seen)
    >>> count(seen)
    >>> seen
    tensor(5)
    """
    if mode.recorder is not None:
        mode.recorder.affect(partial(count, tensor, added))
    if tensor._alias is not None:  # others show the same memory, and see it now
        tensor.array  # noqa: B018 - what was counted before
        _add(tensor, added)
        return
    link = tensor._link
    if type(link) is not Addition:
        link = Addition(tensor)
        tensor._link, tensor._position = link, 0
    link.added += added
    tensor._version[0] = now()
