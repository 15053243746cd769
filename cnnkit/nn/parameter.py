"""Parameter, a Tensor that is trained."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A Tensor that is trained: a `Module` that has it as an attribute lists it among its parameters.

    Parameters
    ----------
    data : Tensor or array
        The initial value, taken over without a copy.
    requires_grad : bool
        ``False`` freezes it.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data.detach() if isinstance(data, Tensor) else data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
