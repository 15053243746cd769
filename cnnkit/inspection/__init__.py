"""What shows how a model is made, how it runs and what it sees: its layers, kernels, filters and
feature maps.
"""

from cnnkit.inspection.explanation import Declined, Explanation, KernelCall
from cnnkit.inspection.kernels import explain
from cnnkit.inspection.layers import summary
from cnnkit.inspection.matrix import ConvMatrix, conv_as_matrix
from cnnkit.inspection.report import Row, Summary
from cnnkit.inspection.views import show, show_feature_maps, show_filters, sobel

__all__ = ["ConvMatrix", "Declined", "Explanation", "KernelCall", "Row", "Summary", "conv_as_matrix",
           "explain", "show", "show_feature_maps", "show_filters", "sobel", "summary"]
