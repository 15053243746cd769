"""PyTorch's functions on Tensors: names, signatures and defaults as in ``torch.nn.functional``."""

from cnnkit.functional.activation import elu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from cnnkit.functional.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from cnnkit.functional.dropout import dropout
from cnnkit.functional.linear import linear
from cnnkit.functional.loss import cross_entropy, l2_penalty, mse_loss, nll_loss
from cnnkit.functional.norm import batch_norm
from cnnkit.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from cnnkit.functional.shape import cat, flatten, one_hot, pad, stack, where

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
           "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
           "batch_norm", "cat", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
           "conv_transpose3d", "cross_entropy", "dropout", "elu", "flatten", "l2_penalty", "leaky_relu",
           "linear", "log_softmax", "max_pool1d", "max_pool2d", "max_pool3d", "mse_loss", "nll_loss",
           "one_hot", "pad", "relu", "sigmoid", "silu", "softmax", "stack", "tanh", "where"]
