"""The arithmetic of shapes: output size, padding, receptive field, parameters and FLOPs, in plain integers.

Letters: an input of ``(N, C, H, W)`` and a weight of ``(K, C/groups, R, S)`` give an output of
``(N, K, P, Q)``. Along one axis ``n`` is the size, ``k s d`` are kernel size, stride and dilation; a kernel
spans ``d (k - 1) + 1`` pixels.
"""

from cnnkit.shapes.checked import conv_output_shape, pool_output_shape
from cnnkit.shapes.costs import conv2d_flops, conv2d_parameters, linear_flops, linear_parameters, pool2d_flops
from cnnkit.shapes.receptive import ReceptiveField, receptive_field
from cnnkit.shapes.sizes import output_length, output_size
from cnnkit.shapes.solving import Solution, solve
from cnnkit.shapes.windows import pads, per_axis

__all__ = ["ReceptiveField", "Solution", "conv2d_flops",
           "conv2d_parameters", "conv_output_shape", "linear_flops",
           "linear_parameters", "output_length", "output_size", "pads", "per_axis", "pool2d_flops",
           "pool_output_shape", "receptive_field", "solve"]
