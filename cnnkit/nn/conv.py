"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

import cnnkit.functional.conv as F
from cnnkit.autograd import Tensor
from cnnkit.foreign import is_whole
from cnnkit.nn import init
from cnnkit.nn.module import Module, Parameter
from cnnkit.shapes import pads, pair

__all__ = ["Conv2d"]


class Conv2d(Module):
    """A convolution layer: trained filters that slide over images.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels C of the images, and number of filters K.
    kernel_size : int or pair of int
        Height R and width S of the filters.
    stride, padding, dilation, groups
        As in `cnnkit.functional.conv2d`.
    bias : bool
        Add a trained number to each output channel.
    padding_mode : str
        Only ``"zeros"``.
    dtype : str
        Of the parameters.
    backend : str, optional
        Where the parameters are made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight : Parameter, (K, C/groups, R, S)
        Drawn uniformly from -b to b with b = 1 / sqrt(C/groups R S), as PyTorch's; see `init.default_`.
    bias : Parameter, (K,), or None
        Drawn from the same range.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid, or `groups` does not divide the channels; at the call, if the input's number of
        channels is wrong or the kernel is larger than the padded image.

    >>> import cnnkit
    >>> layer = Conv2d(1, 8, 3, padding=1)
    >>> layer
    Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer(cnnkit.tensor([[[[0.0] * 28] * 28]])).shape
    (1, 8, 28, 28)
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1, bias: bool = True, padding_mode: str = "zeros", *, dtype: Any = "float32", backend: Any = None):
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if not is_whole(value) or value < 1:
                raise ValueError(f"Conv2d needs {name} to be an integer of at least 1; got {name}={value!r}")
        if in_channels % groups or out_channels % groups:
            fits = [str(g) for g in range(1, math.gcd(in_channels, out_channels) + 1) if in_channels % g == out_channels % g == 0]
            raise ValueError(f"Conv2d(in_channels={in_channels}, out_channels={out_channels}, groups={groups}): groups must divide "
                             f"both numbers of channels. Use one of groups={', '.join(fits)}")
        if padding_mode != "zeros":
            raise ValueError(f"Conv2d pads with zeros only; got padding_mode={padding_mode!r}. Use padding_mode='zeros', or pad "
                             "the images before the layer")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = in_channels, out_channels, groups, padding_mode
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride, self.dilation = pair(stride, "stride"), pair(dilation, "dilation")
        amounts = pads(padding, (1, 1), self.kernel_size, self.stride, self.dilation)  # raises what is wrong with it
        if not isinstance(padding, str):
            (top, bottom), (left, right) = amounts
            padding = (top, left) if top == bottom and left == right else amounts
        self.padding = padding
        self.weight = Parameter(init.empty((out_channels, in_channels // groups, *self.kernel_size), dtype, backend))
        self.bias = Parameter(init.empty((out_channels,), dtype, backend)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        shape = input.shape
        if len(shape) not in (3, 4) or shape[-3] != self.in_channels:
            raise ValueError(self._misfit(shape))
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def _misfit(self, shape: tuple[int, ...]) -> str:
        wanted = self.in_channels
        message = f"Conv2d(in_channels={wanted}) got an input of shape {shape}: "
        if len(shape) not in (3, 4):
            fix = ". Give one image an axis for its channels with .unsqueeze(0)" if len(shape) == 2 and wanted == 1 else ""
            count = f"{len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
            return f"{message}{count}. It takes images (N, C, H, W), or one image (C, H, W){fix}"
        message += f"{shape[-3]} channel{'' if shape[-3] == 1 else 's'}. "
        if shape[-1] == wanted:
            return f"{message}If the channels are last, use .permute({'0, 3, 1, 2' if len(shape) == 4 else '2, 0, 1'})"
        if len(shape) == 3 and wanted == 1:
            return f"{message}If these are {shape[0]} grey images, give them an axis for their channel with .unsqueeze(1)"
        return f"{message}Give it images of shape (N, {wanted}, H, W), or make the layer with in_channels={shape[-3]}"

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else f"{text}, bias=False"
