"""What functions do to their arguments first: PyTorch's promotion of dtypes, and numbers as Tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.conversion import to
from cnnkit.autograd.functions.filled import full
from cnnkit.autograd.value import Value
from cnnkit.foreign import is_array
from cnnkit.ops import shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["as_value", "floating", "pair", "wrapped"]


def floating(input: Any) -> Any:
    """The Tensor; integers and truth values in the default dtype."""
    return input if input.dtype.is_floating_point else to(input, dtype=backends.get_default_dtype())


def wrapped(value: Any) -> Any:
    """An array of any library as a Tensor; a Tensor or a number as it is."""
    return Value.result(value) if is_array(value) and not isinstance(value, Value) else value


def as_value(value: Any, like: Value, dtype: Any = None) -> Tensor:
    """A number as a Tensor without axes beside `like`; a Tensor converted to `dtype`."""
    value = wrapped(value)
    if isinstance(value, Value):
        return to(value, dtype=dtype)
    return full((), value, dtype=like.dtype if dtype is None else dtype, device=like.device)


def pair(input: Any, other: Any, *, numbers: bool = True) -> tuple[Any, Any]:
    """Two operands in the dtype of PyTorch's result, both as Tensors.

    Raises
    ------
    TypeError
        If one is neither a Tensor, nor an array, nor a number; without `numbers`, if one is a number.
    """
    input, other = wrapped(input), wrapped(other)
    tensors = [v for v in (input, other) if isinstance(v, Value)]
    strangers = [v for v in (input, other) if not isinstance(v, Value | int | float)]
    if strangers or not tensors or (not numbers and len(tensors) < 2):
        wrong = (strangers or [v for v in (input, other) if not isinstance(v, Value)])[0]
        raise TypeError(f"this function works on Tensors{' and numbers' if numbers else ''}; "
                        f"got {type(wrong).__name__}: {wrong!r:.60}")
    if len(tensors) == 2 and input.dtype is other.dtype:
        return input, other
    dtype = backends.result_type(input, other)
    return as_value(input, tensors[0], dtype), as_value(other, tensors[0], dtype)


def copied(input: Value) -> Tensor:
    """A copy, recorded."""
    return apply(shaping.clone, input)
