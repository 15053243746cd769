"""What one layer has and costs: the guide's parameter formulas with the numbers filled in, and FLOPs by
kind of layer.

A layer that is not listed here says its FLOPs itself: `CountsFlops`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from cnnkit import nn, shapes
from cnnkit.autograd import Tensor

__all__ = ["CountsFlops", "flops", "formula"]

Shape = tuple[int, ...]


@runtime_checkable
class CountsFlops(Protocol):
    """Optional for a layer: it says what one call costs.

    The FLOPs of a layer without it, of a kind that is not cnnkit's, are not counted.

    >>> class Scale(nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def count_flops(self, input_shape, output_shape):
    ...         return math.prod(output_shape)
    >>> flops(Scale(), (4, 5), (4, 5))
    20
    """

    def count_flops(self, input_shape: Shape, output_shape: Shape, /) -> int:
        """Floating-point operations of a call; the shapes have the batch in front."""


def formula(module: nn.Module, parameters: Sequence[Tensor]) -> str:
    """How `parameters` of `module` add up, in the guide's form (guide, "Total Number of Parameters").

    Parameters
    ----------
    module : Module
        Its kind picks the form.
    parameters : sequence of Tensor
        Those to count: a weight, then perhaps a bias. Empty gives an empty text.

    >>> layer = nn.Linear(1568, 128)
    >>> formula(layer, list(layer.parameters()))
    '(1568 x 128) + 128'
    """
    if not parameters:
        return ""
    weight, *others = (p.shape for p in parameters)
    if isinstance(module, nn.Conv2d) and len(weight) == 4:
        K, C, R, S = weight
        first = f"({R} x {S} x {C}) x {K}"
    elif isinstance(module, nn.Linear) and len(weight) == 2:
        first = f"({weight[1]} x {weight[0]})"
    else:
        first = _product(weight)
    return " + ".join([first, *map(_product, others)])


def _product(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "1"


def flops(module: nn.Module, given: Shape, made: Shape) -> int | None:
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
        return int(module.count_flops(given, made))
    kind = next((k for k in type(module).__mro__ if k in RULES), None)
    if kind is None or type(module).forward is not kind.forward:  # a subclass that computes something else
        return None
    return RULES[kind](module, given, made)


def _conv2d(module: Any, given: Shape, made: Shape) -> int:
    _, C, R, S = module.weight.shape
    return made[0] * shapes.conv2d_flops(given[1], made[1], (R, S), made[2:], groups=given[1] // C)


def _linear(module: Any, given: Shape, made: Shape) -> int:
    return math.prod(made[:-1]) * shapes.linear_flops(given[-1], made[-1])


def _pool2d(module: Any, given: Shape, made: Shape) -> int:
    return made[0] * shapes.pool2d_flops(made[1], module.kernel_size, made[2:])


def _each(count: int) -> Callable[[Any, Shape, Shape], int]:
    """So many operations an output element."""
    return lambda module, given, made: count * math.prod(made)


RULES: dict[type[nn.Module], Callable[[Any, Shape, Shape], int]] = {
    nn.Conv2d: _conv2d, nn.Linear: _linear, nn.MaxPool2d: _pool2d, nn.AvgPool2d: _pool2d,
    nn.ReLU: _each(1), nn.LeakyReLU: _each(2),  # a comparison, and a multiplication
    nn.BatchNorm1d: _each(2), nn.BatchNorm2d: _each(2),  # in evaluation: a scale and a shift
    nn.Dropout: _each(0), nn.Flatten: _each(0), nn.Identity: _each(0),
}
