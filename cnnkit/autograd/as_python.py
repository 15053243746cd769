"""What Python itself asks of a Tensor: its length, its items, whether it is true, a number, a text."""

from __future__ import annotations

from typing import Any

from cnnkit import backends
from cnnkit.autograd.sharing import several
from cnnkit.autograd.value import Number, Value
from cnnkit.foreign import is_array

__all__ = ["AsPython", "is_operand"]


class AsPython(Value):
    """What answers ``len(x)``, ``for row in x``, ``if x``, ``float(x)`` and ``f"{x:.3f}"``."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define what an index gives")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        if not self.shape:
            raise TypeError("a Tensor without axes cannot be iterated over; its value is item()")
        return (several([self[i]])[0] for i in range(len(self)))

    def __reversed__(self) -> Any:
        return (self[i] for i in reversed(range(len(self))))

    def __contains__(self, element: Any) -> bool:
        if not is_operand(element):
            raise RuntimeError(f"a Tensor contains numbers; got {type(element).__name__}: {element!r:.60}")
        return bool((self == element).numpy().any())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(f"whether a Tensor of shape {self.shape} is true is ambiguous; "
                               "compare one number, as (a == b).numpy().all()")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __index__(self) -> int:
        name = backends.dtype_name(self.dtype)
        if "int" not in name or self.numel() != 1:
            raise TypeError("only an integer Tensor with one element can be an index; "
                            f"this one is {name} of shape {self.shape}")
        return int(self.item())

    def _number(self, kind: str) -> Number:
        if self.numel() != 1:
            raise ValueError(f"{kind}() needs a Tensor with one element; this one has shape {self.shape}")
        return self.item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = self.numpy()
        if dtype is not None and values.dtype != dtype:
            return values.astype(dtype)
        return values.copy() if copy else values

    def nelement(self) -> int:
        """Number of elements."""
        return self.numel()

    def __format__(self, spec: str) -> str:
        if not self.shape:
            return format(self.item(), spec)
        if not spec:
            return str(self)
        if self.numel() != 1:
            raise TypeError(f"the format {spec!r} is for one number; this Tensor has shape {self.shape}")
        return format(self.item(), spec)


_OPERANDS = (Value, float, int)


def is_operand(value: Any) -> bool:
    """Whether arithmetic with a Tensor takes a value: a Tensor, an array or a number, but no list or text."""
    return isinstance(value, _OPERANDS) or is_array(value)
