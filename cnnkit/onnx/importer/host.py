"""Values on the host: shapes, axes and whatever is computed of them are NumPy's, wherever the model is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor, tensor

__all__ = ["TooLarge", "host", "integers", "number", "numbers", "room", "room_for", "together"]

HOST = "numpy"
_room: ContextVar[list[int] | None] = ContextVar("room", default=None)


class TooLarge(Exception):
    """A value has more elements than constants may."""


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Within the block, what `room` is asked for may have so many elements in all."""
    token = _room.set([count])
    try:
        yield
    finally:
        _room.reset(token)


def room(shape: Sequence[int]) -> None:
    """Ask for the room of a new value, before memory is taken: operators whose inputs do not limit it do so.

    Raises
    ------
    TooLarge
        Where constants are folded, and there is no room left for it.
    """
    left = _room.get()
    if left is not None:
        left[0] -= prod(shape)
        if left[0] < 0:
            raise TooLarge


def host(data: Any, dtype: Any = None) -> Tensor:
    """A Tensor on the host."""
    return tensor(data, dtype=dtype, backend=HOST)


def numbers(value: Tensor) -> list[Any]:
    """The elements of a Tensor of one axis, or of none, as Python numbers."""
    return value.detach().reshape((-1,)).tolist()


def integers(value: Tensor | Sequence[int] | None) -> tuple[int, ...] | None:
    """The elements as whole numbers; ``None`` stays ``None``."""
    if value is None:
        return None
    return tuple(int(n) for n in (numbers(value) if isinstance(value, Tensor) else value))


def number(value: Tensor) -> Any:
    """The one element of a Tensor as a Python number."""
    values = numbers(value)
    if len(values) != 1:
        raise ValueError(f"one number is needed; got a tensor of shape {value.shape}")
    return values[0]


def together(values: Sequence[Any]) -> list[Any]:
    """Tensors in one place: those on the host go to where the others are.

    Not what has a gradient, which would be lost: a model and its input on two backends are an error.
    """
    places = {value.backend for value in values if value is not None}
    if len(places) < 2 or HOST not in places:
        return list(values)
    anchor = next(value for value in values if value is not None and value.backend != HOST)
    return [value.to(anchor.device) if value is not None and value.backend == HOST and not (
                value.requires_grad or isinstance(value, nn.Parameter)) else value for value in values]
