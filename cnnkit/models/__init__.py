"""Models ready to train, and the registry: models by name, which are saved with their settings.

A class of your own joins them by `register`, or by an entry point of the group ``cnnkit.models``.
"""

from cnnkit.models.bundle import read_settings
from cnnkit.models.cnn import CNN, CommonCNN
from cnnkit.models.configurable import Configurable
from cnnkit.models.registry import ModelInfo, build, get, list, register
from cnnkit.models.saving import SavedModel, load_model, save_model
from cnnkit.models.simple import SimpleCNN

__all__ = ["CNN", "CommonCNN", "Configurable", "ModelInfo", "SavedModel", "SimpleCNN", "build", "get", "list",
           "load_model", "read_settings", "register", "save_model"]
