"""What shows how a model is made and what it sees: a table of its layers, its filters and feature maps."""

from cnnkit.inspection.layers import summary
from cnnkit.inspection.matrix import ConvMatrix, conv_as_matrix
from cnnkit.inspection.report import Row, Summary
from cnnkit.inspection.views import show, show_feature_maps, show_filters, sobel

__all__ = ["ConvMatrix", "Row", "Summary", "conv_as_matrix", "show", "show_feature_maps", "show_filters",
           "sobel", "summary"]
