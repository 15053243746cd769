"""The feature maps of a classifier at each of its sizes: what pyramids and segmentation heads stand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cnnkit import nn
from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.functions import zeros

__all__ = ["IntermediateLayerGetter", "Stage", "stages_of", "trunk_of"]

HEADS = frozenset({"aux1", "avgpool", "fc", "linear", "classifier"})  # children that end the trunk
PROBE = 64  # pixels of the image that sizes are measured with


class Stage(NamedTuple):
    """The last module of a trunk that gives maps of one size: its name, channels, and that size in part."""

    name: str
    channels: int
    stride: float  # pixels of the image for one of the map


class IntermediateLayerGetter(nn.ModuleDict):
    """The first children of a model, one after the other; returns the outputs of some of them by name.

    Parameters
    ----------
    model : Module
        Its children are called in order, each with the output of the one before; see `trunk_of`.
    return_layers : mapping of str to str
        The child's name -> the name of its output. Children after the last of these are left out.

    Raises
    ------
    ValueError
        If the model has no child of such a name.

    >>> from cnnkit import models
    >>> layers = IntermediateLayerGetter(models.resnet18(width_mult=0.125), {"layer1": "0", "layer4": "1"})
    >>> {name: tuple(maps.shape) for name, maps in layers(zeros((1, 3, 64, 64))).items()}
    {'0': (1, 8, 16, 16), '1': (1, 64, 2, 2)}
    """

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]):
        children = dict(model.named_children())
        missing = [name for name in return_layers if name not in children]
        if missing:
            raise ValueError(f"{type(model).__name__} has no layer {missing[0]!r}; it has "
                             f"{', '.join(children)}")
        last = max(list(children).index(name) for name in return_layers)
        super().__init__(list(children.items())[:last + 1])
        self.return_layers: dict[str, str] = dict(return_layers)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs = {}
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                outputs[self.return_layers[name]] = x
        return outputs


def trunk_of(model: nn.Module) -> nn.Module:
    """The part of a classifier whose children make maps of maps: its ``features``, or itself."""
    return dict(model.named_children()).get("features", model)


def stages_of(model: nn.Module) -> list[Stage]:
    """The stages of a classifier's trunk, the largest maps first, found by sending an image through it.

    >>> from cnnkit import models
    >>> [(stage.name, stage.channels, stage.stride) for stage in stages_of(models.resnet18(width_mult=0.125))]
    [('relu', 8, 2.0), ('layer1', 8, 4.0), ('layer2', 16, 8.0), ('layer3', 32, 16.0), ('layer4', 64, 32.0)]
    """
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    x = zeros((1, first.in_channels, PROBE, PROBE), dtype=first.weight.dtype, device=first.weight.device)
    stages: dict[tuple[int, ...], Stage] = {}
    with no_grad(), nn.evaluating(model):
        for name, module in trunk_of(model).named_children():
            if name in HEADS:
                break
            x = module(x)
            size = tuple(x.shape[2:])
            stages[size] = Stage(name, x.shape[1], PROBE / size[0])
    return list(stages.values())
