"""Dense layers."""

from __future__ import annotations

import math
from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.foreign import plain
from cnnkit.nn import init
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes any arguments and ignores them.

    >>> Identity()
    Identity()
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """A dense (fully connected) layer: ``x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Size of the input's and the output's last axis.
    bias : bool
        Add a trained bias.
    device : str or device, optional
        PyTorch's way of `backend`: ``"cpu"``, ``"cuda:0"``, another Tensor's ``device``.
    dtype : dtype or str, optional
        Of the parameters.
    backend : str, optional
        Where the parameters are made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
        Drawn uniformly from -1/sqrt(in_features) to 1/sqrt(in_features), as PyTorch's; see `init.default_`.
    bias : Parameter, (out_features,), or None
        Drawn from the same range.

    Raises
    ------
    ValueError
        At the call, if the input's last axis is not `in_features`.

    >>> import cnnkit
    >>> layer = Linear(3, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    >>> layer(cnnkit.tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    bias: Parameter | None
    in_features: Any
    out_features: Any

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *,
                 device: Any = None, dtype: Any = None, backend: Any = None):
        super().__init__()
        self.in_features, self.out_features = plain(in_features), plain(out_features)
        if in_features < 0 or out_features < 0:
            raise ValueError(f"Linear needs sizes that are not negative; got in_features={in_features}, "
                             f"out_features={out_features}")
        self._make((out_features, in_features), bias, dtype, init.place(device, backend))

    def _make(self, weight: tuple[int, int], bias: bool, dtype: Any, backend: Any) -> None:
        """Make the parameters and draw them."""
        self.weight: Parameter = Parameter(init.empty(weight, dtype, backend))
        self.register_parameter("bias", Parameter(init.empty(weight[:1], dtype, backend)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        shape = input.shape
        if not shape or shape[-1] != self.in_features:
            raise ValueError(self._misfit(shape))
        return F.linear(input, self.weight, self.bias)

    def _misfit(self, shape: tuple[int, ...]) -> str:
        message = f"Linear(in_features={self.in_features}) got an input of shape {shape}: "
        if not shape:
            return f"{message}it needs at least one axis"
        message += f"{shape[-1]} features in the last axis. "
        for start in range(1, len(shape)):
            if math.prod(shape[start:]) == self.in_features:
                arg = "" if start == 1 else f"(start_dim={start})"
                return f"{message}Flatten first: nn.Flatten{arg or '()'} before it, or x.flatten({start})"
        if len(shape) > 2:
            return (f"{message}Flatten first, and make the layer with in_features={math.prod(shape[1:])}, "
                    f"the product of {' * '.join(map(str, shape[1:]))}")
        return f"{message}Make the layer with in_features={shape[-1]}"

    def extra_repr(self) -> str:
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")
