"""Models ready to train, and the registry: models by name, which are saved with their settings.

`list` shows their names, `resnet18` and its like make them. A class or function of your own joins them by
`register`, or by an entry point of the group ``cnnkit.models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import suggestions
from cnnkit.models import catalogue, weights
from cnnkit.models.bundle import read_settings
from cnnkit.models.cnn import CNN, CommonCNN
from cnnkit.models.configurable import Configurable
from cnnkit.models.registry import ModelInfo, build, get, list, register
from cnnkit.models.saving import SavedModel, load_model, save_model
from cnnkit.models.simple import SimpleCNN

if TYPE_CHECKING:
    from cnnkit.models.detector import *
    from cnnkit.models.families.alexnet import *
    from cnnkit.models.families.cifar_resnet import *
    from cnnkit.models.families.convnext import *
    from cnnkit.models.families.densenet import *
    from cnnkit.models.families.efficientnet import *
    from cnnkit.models.families.fcn import *
    from cnnkit.models.families.googlenet import *
    from cnnkit.models.families.lenet import *
    from cnnkit.models.families.mobilenetv2 import *
    from cnnkit.models.families.mobilenetv3 import *
    from cnnkit.models.families.resnet import *
    from cnnkit.models.families.shufflenetv2 import *
    from cnnkit.models.families.squeezenet import *
    from cnnkit.models.families.unet import *
    from cnnkit.models.families.vgg import *
    from cnnkit.models.pyramid import *

__all__ = ["CNN", "CommonCNN", "Configurable", "ModelInfo", "SavedModel", "SimpleCNN", "build", "get", "list",
           "load_model", "read_settings", "register", "save_model", "weights"]
__all__.extend(catalogue.DEFINED_IN)  # each of these is imported on first use


def __getattr__(name: str) -> Any:
    if name in catalogue.DEFINED_IN:
        value = catalogue.load(name)
        globals()[name] = value
        return value
    raise suggestions.attribute_error("module 'cnnkit.models'", name, __dir__())


def __dir__() -> Any:  # `list` is a function here
    return sorted({*globals(), *catalogue.DEFINED_IN})
