"""What a replayed step asks of Tensors, and gives them: see `cnnkit.capturing`."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd.value import Value

__all__ = ["array_now", "awaits_backward", "kept_by_tape", "result_of"]


def array_now(tensor: Value) -> Any:
    """A Tensor's array; ``None`` while it is pending, as counters and deferred results are."""
    return tensor._value if tensor._link is None else None


def awaits_backward(tensor: Value) -> bool:
    """Whether the tape still goes back from a Tensor that an op has made."""
    return tensor._source is not None and tensor._source[0].backward is not None


def kept_by_tape(tensor: Value) -> list[Any]:
    """The arrays that the call which has made a Tensor keeps for gradients of gradients."""
    return [] if tensor._source is None else [*tensor._source[0].constants]


def result_of(array: Any) -> Any:
    """A Tensor around an array that a replay has made, without history."""
    return Value.result._of(array)
