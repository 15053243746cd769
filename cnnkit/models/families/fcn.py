"""FCN (Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", 2015).

A head of two convolutions over a classifier's last maps, enlarged to the image; names are torchvision's.
"""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.models import catalogue
from cnnkit.models.building import architecture
from cnnkit.models.families.resnet import resnet50
from cnnkit.models.stages import IntermediateLayerGetter, stages_of, trunk_of

__all__ = ["FCN", "fcn", "fcn_resnet50"]


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, and a 1x1 convolution to the scores."""

    def __init__(self, in_channels: int, channels: int):
        between = max(1, in_channels // 4)
        super().__init__(nn.Conv2d(in_channels, between, 3, padding=1, bias=False), nn.BatchNorm2d(between),
                         nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(between, channels, 1))


class FCN(nn.Module):
    """Scores of each pixel, of a backbone's maps ``"out"``, and in a dict as ``"out"``.

    Parameters
    ----------
    backbone : Module
        Gives a dict of maps; an `IntermediateLayerGetter`.
    classifier : Module
        The head.
    aux_classifier : Module, optional
        Another on the maps ``"aux"``, whose scores, as ``"aux"``, may help the training.
    """

    aux_classifier: nn.Module | None
    backbone: nn.Module
    classifier: nn.Module

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None):
        super().__init__()
        self.backbone, self.classifier, self.aux_classifier = backbone, classifier, aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps, size = self.backbone(x), x.shape[-2:]
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return {name: F.interpolate(head(maps[name]), size=size, mode="bilinear", align_corners=False)
                for name, head in heads.items() if head is not None}


def _fcn(model: nn.Module, names: tuple[str, str], channels: tuple[int, int], num_classes: int,
         aux_loss: bool | None) -> FCN:
    wanted = {names[0]: "out", **({names[1]: "aux"} if aux_loss else {})}
    return FCN(IntermediateLayerGetter(trunk_of(model), wanted), FCNHead(channels[0], num_classes),
               FCNHead(channels[1], num_classes) if aux_loss else None)


def _fcn_resnet50(*, num_classes: int = 21, aux_loss: bool | None = None, in_channels: int = 3,
                  width_mult: float = 1.0) -> FCN:
    body = resnet50(num_classes=1, replace_stride_with_dilation=[False, True, True], in_channels=in_channels,
                    width_mult=width_mult)
    return _fcn(body, ("layer4", "layer3"), (body.fc.in_features, body.fc.in_features // 2), num_classes,
                aux_loss)


@architecture(_fcn_resnet50, task="segmentation")
def fcn_resnet50(**settings: Any) -> FCN:
    """FCN over a ResNet-50 whose last two stages dilate and keep the size, as torchvision's; see `FCN`."""
    return _fcn_resnet50(**settings)


def _any_fcn(*, backbone: str = "resnet18", num_classes: int = 21, aux_loss: bool | None = None,
             in_channels: int = 3, width_mult: float = 1.0) -> FCN:
    model = catalogue.make(backbone, num_classes=1, in_channels=in_channels, width_mult=width_mult)
    *_, before, last = stages_of(model)
    return _fcn(model, (last.name, before.name), (last.channels, before.channels), num_classes, aux_loss)


@architecture(_any_fcn, task="segmentation")
def fcn(**settings: Any) -> FCN:
    """FCN over the network that `backbone` names; see `FCN`."""
    return _any_fcn(**settings)
