"""Activations with trained or drawn slopes, and softmax over channels."""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.nn import init
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["PReLU", "RReLU", "Softmax2d"]


class PReLU(Module):
    """x where x > 0, elsewhere x times a trained slope; see `functional.prelu`.

    Parameters
    ----------
    num_parameters : int
        1 for one slope, or the number of channels for one each.
    init : float
        The slopes at first.
    device : str or device, optional
        PyTorch's way of `backend`: ``"cpu"``, ``"cuda:0"``, another Tensor's ``device``.
    dtype : str
        Of the slopes.
    backend : str, optional
        Where they are made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight : Parameter, (num_parameters,)
        The slopes. They should not decay.

    >>> PReLU()
    PReLU(num_parameters=1)
    """

    weight: Parameter
    init: float
    num_parameters: int

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None,
                 dtype: Any = None, *, backend: Any = None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self._make(dtype, device, backend)
        self.reset_parameters()

    def _make(self, dtype: Any, device: Any, backend: Any) -> None:
        self.weight = Parameter(init.empty((self.num_parameters,), dtype, init.place(device, backend)))

    def reset_parameters(self) -> None:
        """All slopes as at first."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """In training, slopes below 0 are drawn for each element; see `functional.rrelu`.

    Parameters
    ----------
    lower, upper : float
        The bounds of the slopes; in evaluation all are their middle.
    inplace : bool
        Change the input itself.

    >>> RReLU(0.1, 0.3)
    RReLU(lower=0.1, upper=0.3)
    """

    inplace: bool
    lower: float
    upper: float

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' * self.inplace}"


class Softmax2d(Module):
    """Probabilities along the channels of images, (N, C, H, W) or (C, H, W).

    >>> import cnnkit
    >>> Softmax2d()(cnnkit.zeros(2, 1, 1)).flatten()
    tensor([0.5, 0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
