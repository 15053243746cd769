"""The head of a classifier: the layer whose outputs are the scores of the classes."""

from __future__ import annotations

from typing import Any

from cnnkit import nn

__all__ = ["head_of", "new_heads"]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def head_of(model: nn.Module) -> str:
    """The name of the layer that gives the scores: the last dense layer or convolution of a model.

    Raises
    ------
    ValueError
        If there is none.

    >>> from cnnkit import models
    >>> head_of(models.squeezenet1_1(width_mult=0.25)), head_of(models.resnet18(width_mult=0.125))
    ('classifier.1', 'fc')
    """
    names = [name for name, module in model.named_modules() if name and isinstance(module, LAYERS)]
    if not names:
        raise ValueError(f"{type(model).__name__} has no dense layer and no convolution below it, so that "
                         "there is no head to exchange")
    return names[-1]


def new_heads(model: nn.Module, num_classes: int) -> list[str]:
    """Exchange the head, and those of auxiliary classifiers beside it, for fresh ones; their names."""
    head = head_of(model)
    old = _outputs(model.get_submodule(head))
    beside = [name for name, module in model.named_modules() if name.split(".")[0].startswith("aux")
              and isinstance(module, LAYERS) and _outputs(module) == old]
    names = [*beside, head]
    for name in names:
        model.set_submodule(name, _like(model.get_submodule(name), num_classes))
    return names


def _outputs(layer: Any) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _like(layer: Any, outputs: int) -> nn.Module:
    """A new layer of the same kind, where the old one is, with other outputs and fresh weights."""
    where = {"dtype": layer.weight.dtype, "device": layer.weight.device}
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, outputs, bias, **where)
    if layer.groups != 1:
        raise ValueError(f"the last layer, {layer}, is in groups, so that it is no head")
    return type(layer)(layer.in_channels, outputs, layer.kernel_size, layer.stride, layer.padding,
                       layer.dilation, 1, bias, **where)
