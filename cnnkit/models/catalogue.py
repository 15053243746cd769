"""The families that cnnkit ships: which file has which names, so that each is imported on first use only."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["ARCHITECTURES", "BACKBONES", "DEFINED_IN", "load", "make"]

# file -> its public names; those in small letters are functions, and names of the registry
_NAMES = {
    "families.alexnet": "AlexNet alexnet",
    "families.cifar_resnet": """CifarResNet cifar_resnet20 cifar_resnet32 cifar_resnet44 cifar_resnet56
        cifar_resnet110""",
    "families.convnext": "ConvNeXt convnext_tiny",
    "families.densenet": "DenseNet densenet121",
    "families.efficientnet": "EfficientNet efficientnet_b0",
    "families.fcn": "FCN fcn fcn_resnet50",
    "families.googlenet": "GoogLeNet GoogLeNetOutputs googlenet",
    "families.lenet": "LeNet5 lenet5",
    "families.mobilenetv2": "MobileNetV2 mobilenet_v2",
    "families.mobilenetv3": "MobileNetV3 mobilenet_v3_large mobilenet_v3_small",
    "families.resnet": """BasicBlock Bottleneck ResNet resnet18 resnet34 resnet50 resnet101 resnext50_32x4d
        wide_resnet50_2""",
    "families.shufflenetv2": """ShuffleNetV2 shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
        shufflenet_v2_x2_0""",
    "families.squeezenet": "SqueezeNet squeezenet1_0 squeezenet1_1",
    "families.unet": "UNet unet",
    "families.vgg": "VGG vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn",
    "detector": "AnchorFreeHead Detector fpn_detector",
    "pyramid": "BackboneWithFPN FeaturePyramidNetwork LastLevelMaxPool",
}
DEFINED_IN = {name: f"cnnkit.models.{file}" for file, names in _NAMES.items() for name in names.split()}
ARCHITECTURES = {name: file for name, file in DEFINED_IN.items() if name.islower()}
BACKBONES = [name for name in ARCHITECTURES if name not in ("fcn", "fcn_resnet50", "fpn_detector", "unet")]
DEFINED_IN.update(with_fpn="cnnkit.models.pyramid", detection_loss="cnnkit.models.detector")


def load(name: str) -> Any:
    """The class or function of this name.

    >>> load("resnet18").__name__
    'resnet18'
    """
    return vars(importlib.import_module(DEFINED_IN[name]))[name]


def make(name: str, **settings: Any) -> Any:
    """The classifier of this name, for networks that are made of others.

    Raises
    ------
    ValueError
        If there is none.

    >>> type(make("resnet18", width_mult=0.125)).__name__
    'ResNet'
    """
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return load(name)(**settings)
