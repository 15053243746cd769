"""What losses made of other functions share: the reduction, and Tensors whose shapes should be the same."""

from __future__ import annotations

import warnings

from cnnkit.autograd import Tensor
from cnnkit.autograd.functions import broadcast_tensors

__all__: list[str] = []


def check_reduction(name: str, reduction: str, choices: tuple[str, ...] = ("mean", "sum", "none")) -> None:
    """Raise unless the loss has this reduction."""
    if reduction not in choices:
        raise ValueError(f"{reduction} is not a valid value for reduction: {name} has "
                         f"{', '.join(map(repr, choices))}")


def reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    """The losses' mean or sum, or the losses."""
    check_reduction(name, reduction)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def alike(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape; with PyTorch's warning where they had two."""
    if input.shape == target.shape:
        return input, target
    warnings.warn(f"{name} got a target size ({tuple(target.shape)}) that is different to the input size "
                  f"({tuple(input.shape)}). This will likely lead to incorrect results due to broadcasting. "
                  "Please ensure they have the same size.", stacklevel=4)
    one, other = broadcast_tensors(input, target)
    return one, other


def same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raise unless both have one shape."""
    if input.shape != target.shape:
        raise ValueError(f"{name}: Target size ({tuple(target.shape)}) must be the same as input size "
                         f"({tuple(input.shape)})")
