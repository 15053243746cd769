"""Show how a model is made, how it runs and what it sees: layers, kernels, filters and feature maps."""

from cnnkit.inspection.explanation import Declined, Explanation, KernelCall
from cnnkit.inspection.graph import GraphNode, layer_graph
from cnnkit.inspection.kernels import explain
from cnnkit.inspection.layers import summary
from cnnkit.inspection.machine import Roofline, roofline
from cnnkit.inspection.matrix import ConvMatrix, conv_as_matrix
from cnnkit.inspection.picture import Gallery, Picture, Sheet
from cnnkit.inspection.report import Row, Summary
from cnnkit.inspection.views import show, show_feature_maps, show_filters, sobel

__all__ = ["ConvMatrix", "Declined", "Explanation", "Gallery", "GraphNode", "KernelCall", "Picture",
           "Roofline", "Row", "Sheet", "Summary", "conv_as_matrix", "explain", "layer_graph", "roofline",
           "show", "show_feature_maps", "show_filters", "sobel", "summary"]
