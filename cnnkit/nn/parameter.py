"""Parameter, a Tensor that is trained, and Buffer, one that is state and is not."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor

__all__ = ["Buffer", "Parameter"]


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


class Buffer(Tensor):
    """A Tensor that becomes a buffer of the `Module` whose attribute it is made.

    Parameters
    ----------
    data : Tensor or array
        The value, taken over without a copy.
    persistent : bool
        Whether it belongs to the module's `state_dict`.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(cnnkit.tensor([1.0]))
    >>> list(module.state_dict())
    ['mean']
    """

    __slots__ = ()
    persistent = True

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        return super().__new__(cls if persistent else _Temporary)

    def __init__(self, data: Any, *, persistent: bool = True):
        super().__init__(data.detach() if isinstance(data, Tensor) else data)


class _Temporary(Buffer):
    __slots__ = ()
    persistent = False
