"""Feature pyramid networks (Lin et al., "Feature pyramid networks for object detection", 2017).

Each level has the same number of channels: a 1x1 convolution of the backbone's map, to which the next coarser
level is added, enlarged (nearest neighbour), and a 3x3 convolution that smooths the sum. Names are
torchvision's, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models.blocks import Conv2dNormActivation
from cnnkit.models.stages import IntermediateLayerGetter, stages_of, trunk_of

__all__ = ["BackboneWithFPN", "FeaturePyramidNetwork", "LastLevelMaxPool", "with_fpn"]


class LastLevelMaxPool(nn.Module):
    """One more level: every second pixel of the coarsest one."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str],
                ) -> tuple[list[Tensor], list[str]]:
        return [*results, F.max_pool2d(results[-1], 1, stride=2)], [*names, "pool"]


class FeaturePyramidNetwork(nn.Module):
    """Feature maps of several sizes, made rich from the coarsest down to the finest.

    Parameters
    ----------
    in_channels_list : sequence of int
        Channels of the maps, the finest first.
    out_channels : int
        Channels of every level.
    extra_blocks : Module, optional
        Adds levels: of the levels, the maps and their names it makes levels and names.
    norm_layer : callable, optional
        Makes a norm after each convolution, which then has no bias; by default there is none.

    >>> from cnnkit import zeros
    >>> pyramid = FeaturePyramidNetwork([8, 16], 4, LastLevelMaxPool())
    >>> levels = pyramid({"fine": zeros((1, 8, 12, 12)), "coarse": zeros((1, 16, 6, 6))})
    >>> {name: tuple(level.shape) for name, level in levels.items()}
    {'fine': (1, 4, 12, 12), 'coarse': (1, 4, 6, 6), 'pool': (1, 4, 3, 3)}
    """

    inner_blocks: nn.ModuleList
    layer_blocks: nn.ModuleList

    def __init__(self, in_channels_list: Sequence[int], out_channels: int,
                 extra_blocks: nn.Module | None = None, norm_layer: Callable[..., nn.Module] | None = None):
        super().__init__()
        self.inner_blocks = nn.ModuleList(
            Conv2dNormActivation(channels, out_channels, kernel_size=1, norm_layer=norm_layer,
                                 activation_layer=None) for channels in in_channels_list)
        self.layer_blocks = nn.ModuleList(
            Conv2dNormActivation(out_channels, out_channels, norm_layer=norm_layer, activation_layer=None)
            for _ in in_channels_list)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.extra_blocks = extra_blocks

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The levels, by the names of the maps, the finest first."""
        names, maps = list(x), list(x.values())
        if len(maps) != len(self.inner_blocks):
            raise ValueError(f"this pyramid takes {len(self.inner_blocks)} feature maps, the finest first; "
                             f"got {len(maps)}: {', '.join(names)}")
        coarser: Tensor | None = None
        levels: list[Tensor] = []
        for lateral, smooth, feature_map in reversed([*zip(self.inner_blocks, self.layer_blocks, maps)]):
            level = lateral(feature_map)
            if coarser is not None:
                level = level + F.interpolate(coarser, size=level.shape[2:], mode="nearest")
            coarser = level
            levels.insert(0, smooth(level))
        if self.extra_blocks is not None:
            levels, names = self.extra_blocks(levels, maps, names)
        return dict(zip(names, levels))


class BackboneWithFPN(nn.Module):
    """A classifier's trunk (``body``) with a pyramid on top (``fpn``); see `with_fpn`.

    Parameters
    ----------
    backbone : Module
        Whose children are called in order.
    return_layers : mapping of str to str
        The children whose outputs the pyramid stands on -> the levels' names.
    in_channels_list : sequence of int
        Channels of those outputs.
    out_channels : int
        Channels of every level.
    extra_blocks : Module, optional
        As in `FeaturePyramidNetwork`; `LastLevelMaxPool` is torchvision's.
    norm_layer : callable, optional
        As in `FeaturePyramidNetwork`.
    """

    fpn: FeaturePyramidNetwork

    def __init__(self, backbone: nn.Module, return_layers: Mapping[str, str], in_channels_list: Sequence[int],
                 out_channels: int, extra_blocks: nn.Module | None = None,
                 norm_layer: Callable[..., nn.Module] | None = None):
        super().__init__()
        self.body: IntermediateLayerGetter = IntermediateLayerGetter(backbone, return_layers)
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks, norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(self.body(x))


def with_fpn(model: nn.Module, out_channels: int = 256, *, levels: int = 4,
             extra_level: bool = True,
             norm_layer: Callable[..., nn.Module] | None = None) -> BackboneWithFPN:
    """A feature pyramid over any of the classifiers, on the last maps of each size.

    Parameters
    ----------
    model : Module
        A classifier, whose trunk becomes part of the result: `resnet18` and its like, or one of your own
        whose ``features``, or children, are called in order.
    out_channels : int
        Channels of every level.
    levels : int
        How many of the coarsest sizes.
    extra_level : bool
        Add a coarser one, `LastLevelMaxPool`.
    norm_layer : callable, optional
        As in `FeaturePyramidNetwork`.

    Raises
    ------
    ValueError
        If the model has maps of fewer sizes.

    >>> from cnnkit import models, zeros
    >>> backbone = with_fpn(models.mobilenet_v2(), 16)
    >>> {name: tuple(level.shape) for name, level in backbone(zeros((1, 3, 64, 64))).items()}
    {'0': (1, 16, 16, 16), '1': (1, 16, 8, 8), '2': (1, 16, 4, 4), '3': (1, 16, 2, 2), 'pool': (1, 16, 1, 1)}
    """
    stages = stages_of(model)
    if not 1 <= levels <= len(stages):
        raise ValueError(f"{type(model).__name__} has maps of {len(stages)} sizes, so that a pyramid can "
                         f"have 1 to {len(stages)} levels; got levels={levels}")
    stages = stages[-levels:]
    return BackboneWithFPN(trunk_of(model), {stage.name: str(n) for n, stage in enumerate(stages)},
                           [stage.channels for stage in stages], out_channels,
                           LastLevelMaxPool() if extra_level else None, norm_layer)
