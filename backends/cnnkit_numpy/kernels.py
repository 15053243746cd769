"""The NumPy kernel table: each op as fast as NumPy alone can run it."""

from cnnkit.backends import KernelTable
from cnnkit.ops.folding import CONV_CHAIN, fold_norm
from cnnkit_numpy import (
    activation,
    conv,
    conv_relu_pool,
    gathering,
    linear,
    loss,
    norm,
    pool,
    random,
    shaping,
    standardize,
    unpool,
    update,
)

table = KernelTable("numpy", "numpy", {
    "adam": update.adam,
    "avg_pool": pool.avg_pool2d,
    "batch_norm": norm.batch_norm,
    "conv": conv.conv2d,
    "conv_filters": conv.conv2d_filters,
    "conv_input": conv.conv2d_input,
    CONV_CHAIN: (conv_relu_pool.conv2d_relu_max_pool2d, fold_norm),
    "cross_entropy": loss.cross_entropy,
    "leaky_relu": activation.leaky_relu,
    "linear": linear.linear,
    "log_softmax": activation.log_softmax,
    "max_pool": pool.max_pool2d,
    "max_unpool": unpool.max_unpool,
    "nll_loss": loss.nll_loss,
    "random_bits": random.random_bits,
    "relu": activation.relu,
    "reshape": shaping.reshape,
    "scatter_add": gathering.scatter_add,
    "sgd": update.sgd,
    "sigmoid": activation.sigmoid,
    "softmax": activation.softmax,
    "standardize": standardize.standardize,
    "tanh": activation.tanh,
})
