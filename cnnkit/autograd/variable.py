"""Variable, PyTorch's old name of a Tensor that takes part in gradients."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd.tensors import Tensor

__all__ = ["Variable"]


class _OfTensors(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_OfTensors):
    """Makes a Tensor of a Tensor or an array; every Tensor is an instance.

    >>> import cnnkit
    >>> Variable(cnnkit.tensor([1.0]), requires_grad=True)
    tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Any, requires_grad: bool = False,  # type: ignore[misc]
                volatile: bool = False) -> Tensor:
        if not isinstance(data, Tensor):
            return Tensor(data, requires_grad)
        if not data.is_leaf:
            return data
        return data.detach().requires_grad_(requires_grad)
