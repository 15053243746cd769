"""Parameters and FLOPs of one layer: the guide's formulas with the numbers filled in.

A layer of a kind that is not listed here may count its FLOPs itself: `CountsFlops`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from cnnkit import nn, shapes
from cnnkit.autograd import Tensor

__all__ = ["BorrowsParameters", "CountsFlops", "flops", "formula"]

Shape = tuple[int, ...]


@runtime_checkable
class CountsFlops(Protocol):
    """Optional for a layer: it counts the operations of one call.

    A layer of another kind than cnnkit's that lacks this method has no FLOPs counted.

    >>> class Scale(nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def count_flops(self, input_shape, output_shape):
    ...         return math.prod(output_shape)
    >>> flops(Scale(), (4, 5), (4, 5))
    20
    """

    def count_flops(self, input_shape: Shape, output_shape: Shape, /) -> int | None:
        """Floating-point operations of a call, ``None`` if unknown; the shapes have the batch in front."""


@runtime_checkable
class BorrowsParameters(Protocol):
    """Optional for a layer: it computes with parameters that belong to a module above it."""

    def borrowed_parameters(self) -> Sequence[Tensor]:
        """These parameters, a weight first."""


def formula(module: nn.Module, parameters: Sequence[Tensor]) -> str:
    """How `parameters` of `module` add up, in the guide's form (guide, "Total Number of Parameters").

    Parameters
    ----------
    module : Module
        The layer; its kind decides the form.
    parameters : sequence of Tensor
        Those to count: a weight, then perhaps a bias. Without any, the text is empty.

    >>> layer = nn.Linear(1568, 128)
    >>> formula(layer, list(layer.parameters()))
    '(1568 x 128) + 128'
    """
    if not parameters:
        return ""
    weight, *others = (p.shape for p in parameters)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and len(weight) > 2:
        K, C, *kernel = weight
        first = f"({_product((*kernel, C))}) x {K}"
    elif isinstance(module, nn.Linear) and len(weight) == 2:
        first = f"({weight[1]} x {weight[0]})"
    else:
        first = _product(weight)
    return " + ".join([first, *map(_product, others)])


def _product(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "1"


def flops(module: nn.Module, input_shape: Shape, output_shape: Shape) -> int | None:
    """Floating-point operations of one call, or ``None`` where the kind of layer has no rule.

    A multiplication, an addition, a comparison is one each; see `shapes.conv2d_flops`. Exponentials are no
    single operation, so sigmoid, tanh and softmax have no rule.

    Parameters
    ----------
    module : Module
        The layer.
    given, made : tuple of int
        Shapes of its input and of its output, with the batch.
    """
    if isinstance(module, CountsFlops):
        counted = module.count_flops(input_shape, output_shape)
        return None if counted is None else int(counted)
    kind = next((k for k in type(module).__mro__ if k in RULES), None)
    if kind is None or type(module).forward is not kind.forward:  # a subclass that computes something else
        return None
    return RULES[kind](module, input_shape, output_shape)


def _conv(module: Any, input_shape: Shape, output_shape: Shape) -> int:
    """Each number of the result is a sum of as many products as a filter has numbers."""
    return 2 * math.prod(module.weight.shape[1:]) * math.prod(output_shape)


def _conv_transpose(module: Any, input_shape: Shape, output_shape: Shape) -> int:
    """Each number of the input is multiplied with a filter, and added to the result."""
    return 2 * math.prod(module.weight.shape[1:]) * math.prod(input_shape)


def _linear(module: Any, input_shape: Shape, output_shape: Shape) -> int:
    return math.prod(output_shape[:-1]) * shapes.linear_flops(input_shape[-1], output_shape[-1])


def _pool(rank: int) -> Callable[[Any, Shape, Shape], int]:
    """A rule that counts a comparison, or an addition or a division, for each number of a window."""
    return lambda module, input_shape, output_shape: math.prod(
        shapes.per_axis(module.kernel_size, "kernel_size", 1, rank)) * math.prod(output_shape)


def _standardised(module: Any, input_shape: Shape, output_shape: Shape) -> int:
    """Mean (an addition), deviation, variance (a product and an addition), quotient; then scale and shift."""
    affine = sum(getattr(module, name) is not None for name in ("weight", "bias"))
    return (5 + affine) * math.prod(output_shape)


def _per_output(count: int) -> Callable[[Any, Shape, Shape], int]:
    """A rule that counts `count` operations for each element of the output."""
    return lambda module, input_shape, output_shape: count * math.prod(output_shape)


RULES: dict[type[nn.Module], Callable[[Any, Shape, Shape], int]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _conv),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _conv_transpose),
    nn.Linear: _linear,
    **{getattr(nn, f"{kind}Pool{rank}d"): _pool(rank) for kind in ("Max", "Avg") for rank in (1, 2, 3)},
    nn.ReLU: _per_output(1), nn.LeakyReLU: _per_output(2),  # a comparison, and a multiplication
    # in evaluation: a scale and a shift
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm), _per_output(2)),
    **dict.fromkeys((nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
                    _standardised),
    # these only move numbers, or leave them
    **dict.fromkeys((nn.Dropout, nn.Flatten, nn.Unflatten, nn.Identity, nn.PixelShuffle, nn.PixelUnshuffle,
                     nn.ChannelShuffle, nn.Unfold, nn.UpsamplingNearest2d), _per_output(0)),
    **{getattr(nn, f"{kind}Pad{rank}d"): _per_output(0)
       for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero") for rank in (1, 2, 3)},
}
