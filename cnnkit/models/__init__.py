"""Models ready to train."""

from cnnkit.models.cnn import CNN, CommonCNN
from cnnkit.models.registry import NAMES, build
from cnnkit.models.simple import SimpleCNN

__all__ = ["CNN", "NAMES", "CommonCNN", "SimpleCNN", "build"]
