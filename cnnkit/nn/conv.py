"""Convolution layers, along one, two and three axes, and the transposed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import cnnkit.functional.conv as F
from cnnkit.autograd import Tensor
from cnnkit.foreign import is_whole, plain
from cnnkit.functional.padding import pad
from cnnkit.nn import init
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter
from cnnkit.shapes import pads, per_axis

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

INPUTS = {1: ("signals", "signal", "L"), 2: ("images", "image", "H, W"), 3: ("volumes", "volume", "D, H, W")}


class _Convolution(Module):
    """Base of all convolution layers: their settings, the parameters, and errors that name the layer."""

    rank: ClassVar[int]
    padding_modes: ClassVar[tuple[str, ...]] = ("zeros",)
    weight: Parameter
    bias: Parameter | None
    groups: Any
    in_channels: Any
    out_channels: Any
    output_padding: tuple[int, ...]
    padding: Any
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
                 dilation: Any, groups: int, bias: bool, padding_mode: str, weight: tuple[int, int],
                 dtype: Any, backend: Any):
        super().__init__()
        self.in_channels, self.out_channels, self.groups = map(plain, (in_channels, out_channels, groups))
        if padding_mode not in self.padding_modes:
            raise ValueError(f"{type(self).__name__} has padding_mode "
                             f"{', '.join(map(repr, self.padding_modes))}; got {padding_mode!r}")
        self.padding_mode = padding_mode
        self.kernel_size = per_axis(kernel_size, "kernel_size", 1, self.rank)
        self.stride, self.dilation = (per_axis(value, name, 1, self.rank)
                                      for name, value in (("stride", stride), ("dilation", dilation)))
        self.padding, self.output_padding = padding, (0,) * self.rank
        self._make((*weight, *self.kernel_size), bias, dtype, backend)

    def _make(self, weight: tuple[int, ...], bias: bool, dtype: Any, backend: Any) -> None:
        """Make the parameters and draw them."""
        self.weight = Parameter(init.empty(weight, dtype, backend))
        self.register_parameter("bias", Parameter(init.empty((self.out_channels,), dtype, backend)) if bias
                                else None)
        self.reset_parameters()

    @classmethod
    def _check_channels(cls, in_channels: int, out_channels: int, groups: int) -> None:
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if not is_whole(value) or value < 1:
                raise ValueError(f"{cls.__name__} needs {name} to be an integer of at least 1; "
                                 f"got {name}={value!r}")
        if in_channels % groups or out_channels % groups:
            largest = math.gcd(in_channels, out_channels)
            divisors = [str(g) for g in range(1, largest + 1) if in_channels % g == out_channels % g == 0]
            raise ValueError(f"{cls.__name__}(in_channels={in_channels}, out_channels={out_channels}, "
                             f"groups={groups}): groups must divide both numbers of channels. "
                             f"Use one of groups={', '.join(divisors)}")

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.default_(self.weight, self.bias)

    def _check_input(self, shape: tuple[int, ...]) -> None:
        """Raise the error of an input with wrong axes or channels."""
        rank = self.rank
        if len(shape) in (rank + 1, rank + 2) and shape[-rank - 1] == self.in_channels:
            return
        expected, (plural, singular, axes) = self.in_channels, INPUTS[rank]
        message = f"{type(self).__name__}(in_channels={expected}) got an input of shape {shape}: "
        if len(shape) not in (rank + 1, rank + 2):
            fix = (f". Give one {singular} an axis for its channels with .unsqueeze(0)"
                   if len(shape) == rank and expected == 1 else "")
            count = f"{len(shape)} ax{'is' if len(shape) == 1 else 'es'}"
            raise ValueError(f"{message}{count}. It takes {plural} (N, C, {axes}), "
                             f"or one {singular} (C, {axes}){fix}")
        channels = shape[-rank - 1]
        message += f"{channels} channel{'' if channels == 1 else 's'}. "
        if shape[-1] == expected:
            order = (*range(len(shape) - rank - 1), len(shape) - 1,
                     *range(len(shape) - rank - 1, len(shape) - 1))
            raise ValueError(f"{message}If the channels are last, use .permute({', '.join(map(str, order))})")
        if len(shape) == rank + 1 and expected == 1:
            grey = "grey images" if rank == 2 else plural
            raise ValueError(f"{message}If these are {shape[0]} {grey}, "
                             "give them an axis for their channel with .unsqueeze(1)")
        raise ValueError(f"{message}Give it {plural} of shape (N, {expected}, {axes}), or make the layer "
                         f"with in_channels={channels}")

    def extra_repr(self) -> str:
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}")
        if self.padding != (0,) * self.rank:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.rank:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.rank:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class _Conv(_Convolution):
    function: ClassVar[Callable]
    padding_modes: ClassVar[tuple[str, ...]] = ("zeros", "reflect", "replicate", "circular")

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
                 padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
                 padding_mode: str = "zeros", *,
                 device: Any = None, dtype: Any = None, backend: Any = None):
        self._check_channels(in_channels, out_channels, groups)
        rank = self.rank
        # raises for padding that is not valid
        amounts = pads(padding, (1,) * rank, kernel_size, stride, dilation, rank)
        if not isinstance(padding, str):
            padding = tuple(before for before, _ in amounts) if all(a == b for a, b in amounts) else amounts
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         padding_mode, (out_channels, in_channels // groups), dtype,
                         init.place(device, backend))

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input.shape)
        padding = self.padding
        if self.padding_mode != "zeros":
            amounts = pads(padding, input.shape[-self.rank:], self.kernel_size, self.stride, self.dilation,
                           self.rank)
            input = pad(input, [amount for axis in reversed(amounts) for amount in axis], self.padding_mode)
            padding = 0
        return type(self).function(input, self.weight, self.bias, self.stride, padding,
                                   self.dilation, self.groups)


class Conv1d(_Conv):
    """A convolution layer for signals (N, C, L), with filters (K, C/groups, S); arguments as in `Conv2d`.

    >>> import cnnkit
    >>> layer = Conv1d(1, 8, 3, padding=1)
    >>> layer
    Conv1d(1, 8, kernel_size=(3,), stride=(1,), padding=(1,))
    >>> layer(cnnkit.tensor([[[0.0] * 28]])).shape
    (1, 8, 28)
    """

    rank: ClassVar[int] = 1
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv1d)


class Conv2d(_Conv):
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
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is made of; see `cnnkit.functional.pad`.
    device : str or device, optional
        PyTorch's way of `backend`: ``"cpu"``, ``"cuda:0"``, another Tensor's ``device``.
    dtype : dtype or str, optional
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
        If an argument is not valid, or `groups` does not divide the channels; at the call, if the input's
        number of channels is wrong or the kernel is larger than the padded image.

    >>> import cnnkit
    >>> layer = Conv2d(1, 8, 3, padding=1)
    >>> layer
    Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer(cnnkit.tensor([[[[0.0] * 28] * 28]])).shape
    (1, 8, 28, 28)
    """

    rank: ClassVar[int] = 2
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """A convolution layer for volumes (N, C, D, H, W), with filters (K, C/groups, T, R, S).

    Arguments are as in `Conv2d`.

    >>> Conv3d(1, 8, (3, 3, 1), bias=False)
    Conv3d(1, 8, kernel_size=(3, 3, 1), stride=(1, 1, 1), bias=False)
    """

    rank: ClassVar[int] = 3
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv3d)


class _ConvTranspose(_Convolution):
    function: ClassVar[Callable]

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
                 padding: Any = 0, output_padding: Any = 0, groups: int = 1, bias: bool = True,
                 dilation: Any = 1, padding_mode: str = "zeros", *,
                 device: Any = None, dtype: Any = None, backend: Any = None):
        self._check_channels(in_channels, out_channels, groups)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, per_axis(padding, "padding", 0, self.rank),
            dilation, groups, bias, padding_mode, (in_channels, out_channels // groups), dtype,
            init.place(device, backend))
        self.output_padding: tuple[int, ...] = per_axis(output_padding, "output_padding", 0, self.rank)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        shape = input.shape
        self._check_input(shape)
        extra = self.output_padding if output_size is None else self._extra(shape, tuple(output_size))
        return type(self).function(input, self.weight, self.bias, self.stride, self.padding, extra,
                                   self.groups, self.dilation)

    def _extra(self, shape: tuple[int, ...], output_size: tuple[int, ...]) -> tuple[int, ...]:
        """The `output_padding` that makes images of `output_size`."""
        size, rank = shape[-self.rank:], self.rank
        if len(output_size) not in (rank, len(shape)):
            raise ValueError(f"{type(self).__name__} got output_size={output_size} for an input of shape "
                             f"{shape}; it needs {rank} or {len(shape)} numbers")
        smallest = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in
                    zip(size, self.kernel_size, self.stride, self.padding, self.dilation)]
        extra = tuple(n - least for n, least in zip(output_size[-rank:], smallest))
        if not all(0 <= more < s for more, s in zip(extra, self.stride)):
            largest = [least + s - 1 for least, s in zip(smallest, self.stride)]
            raise ValueError(f"requested an output size of {output_size}, but valid sizes range from "
                             f"{smallest} to {largest} (for an input of {size})")
        return extra


class ConvTranspose1d(_ConvTranspose):
    """A transposed convolution layer for signals (N, C, L), with filters (C, K/groups, S).

    Arguments are as in `ConvTranspose2d`.

    >>> ConvTranspose1d(8, 1, 4, stride=2, padding=1)
    ConvTranspose1d(8, 1, kernel_size=(4,), stride=(2,), padding=(1,))
    """

    rank: ClassVar[int] = 1
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """A transposed convolution layer: trained filters that enlarge images; `Conv2d`'s input gradient.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels C of the input images, and K of the output images.
    kernel_size : int or pair of int
        Height R and width S of the filters.
    stride, padding, output_padding, groups, dilation
        As in `cnnkit.functional.conv_transpose2d`.
    bias, device, dtype, backend
        As in `Conv2d`.
    padding_mode : str
        Only ``"zeros"``: padding is what is left out here.

    Attributes
    ----------
    weight : Parameter, (C, K/groups, R, S)
        Drawn uniformly from -b to b with b = 1 / sqrt(K/groups R S), as PyTorch's; see `init.default_`.
    bias : Parameter, (K,), or None
        Drawn from the same range.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid, or `groups` does not divide the channels; at the call, if the input's
        number of channels is wrong, the result has no pixels, or it cannot have the size that is asked for.

    Several sizes of an image are made smaller to the same by a convolution with a stride. A call with
    ``output_size=(H, W)`` selects one of them, in place of `output_padding`.

    >>> import cnnkit
    >>> layer = ConvTranspose2d(8, 1, 4, stride=2, padding=1)
    >>> layer
    ConvTranspose2d(8, 1, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    >>> x = cnnkit.tensor([[[[0.0] * 14] * 14] * 8])
    >>> layer(x).shape, layer(x, output_size=(29, 28)).shape
    ((1, 1, 28, 28), (1, 1, 29, 28))
    """

    rank: ClassVar[int] = 2
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """A transposed convolution layer for volumes (N, C, D, H, W), with filters (C, K/groups, T, R, S).

    Arguments are as in `ConvTranspose2d`.

    >>> ConvTranspose3d(8, 1, 2, stride=2)
    ConvTranspose3d(8, 1, kernel_size=(2, 2, 2), stride=(2, 2, 2))
    """

    rank: ClassVar[int] = 3
    function: ClassVar[Callable[..., Any]] = staticmethod(F.conv_transpose3d)
