"""Models ready to train, and what shows how a model is made."""

from cnnkit.models.cnn import CNN, CommonCNN
from cnnkit.models.inspection import summary
from cnnkit.models.matrix import ConvMatrix, conv_as_matrix
from cnnkit.models.registry import NAMES, build
from cnnkit.models.report import Row, Summary
from cnnkit.models.simple import SimpleCNN
from cnnkit.models.views import show, show_feature_maps, show_filters, sobel

__all__ = ["CNN", "NAMES", "CommonCNN", "ConvMatrix", "Row", "SimpleCNN", "Summary", "build", "conv_as_matrix", "show",
           "show_feature_maps", "show_filters", "sobel", "summary"]
