"""Where new Tensors are made, and how: what all factories share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.value import Value

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["like", "make", "place_of", "sizes_of", "wrap"]


def place_of(device: Any, backend: Any) -> tuple[backends.Backend, Any]:
    """The backend and the library's device that ``device=`` or ``backend=`` says; one of them at most."""
    if device is None:
        return backends.place(backend)
    if backend is not None:
        raise TypeError(f"give device= or backend=, not both: got {device!r} and {backend!r}")
    return backends.place(backends.device(device))


def make(function: Callable[..., Any], dtype: Any, device: Any, backend: Any, requires_grad: bool) -> Tensor:
    """A leaf from ``function(xp, dtype=..., device=...)``, which uses the namespace `xp`."""
    target, place = place_of(device, backend)
    placement = {} if place is None else {"device": place}
    with target.on(place):
        array = function(target.namespace, dtype=target.dtype(dtype), **placement)
    return wrap(array, requires_grad)


def wrap(array: Any, requires_grad: bool) -> Tensor:
    """A leaf around an array."""
    return Value.result(array, requires_grad)  # type: ignore[return-value]


def like(input: Value, device: Any) -> Any:
    """Where a Tensor like `input` is made, unless `device` says."""
    return input.device if device is None else device


def sizes_of(name: str, sizes: Any) -> tuple[int, ...]:
    """``(2, 3)`` from ``f(2, 3)`` as from ``f((2, 3))``, checked."""
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = sizes[0]
    try:
        shape = tuple([n.__index__() for n in sizes])
    except AttributeError:
        raise TypeError(f"{name} needs whole numbers as sizes; got {tuple(sizes)!r:.60}") from None
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name} got the shape {shape}, which has a negative size")
    return shape
