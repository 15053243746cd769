"""PyTorch's functions on Tensors: names, signatures and defaults as in ``torch.nn.functional``."""

from cnnkit.functional.activation import elu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from cnnkit.functional.dropout import dropout
from cnnkit.functional.linear import linear
from cnnkit.functional.loss import cross_entropy, l2_penalty, mse_loss, nll_loss
from cnnkit.functional.norm import batch_norm
from cnnkit.functional.shape import cat, flatten, one_hot, pad, stack, where

__all__ = ["batch_norm", "cat", "cross_entropy",
           "dropout", "elu", "flatten", "l2_penalty", "leaky_relu", "linear", "log_softmax", "mse_loss",
           "nll_loss", "one_hot", "pad", "relu", "sigmoid", "silu", "softmax", "stack", "tanh", "where"]
