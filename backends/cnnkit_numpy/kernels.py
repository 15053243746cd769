"""The NumPy kernel table: each op as fast as NumPy alone can run it."""

from cnnkit.backends import KernelTable
from cnnkit_numpy import activation, linear, loss, norm, update

table = KernelTable("numpy", "numpy", {
    "adam": update.adam,
    "batch_norm": norm.batch_norm,
    "cross_entropy": loss.cross_entropy,
    "leaky_relu": activation.leaky_relu,
    "linear": linear.linear,
    "log_softmax": activation.log_softmax,
    "nll_loss": loss.nll_loss,
    "relu": activation.relu,
    "sgd": update.sgd,
    "sigmoid": activation.sigmoid,
    "softmax": activation.softmax,
    "tanh": activation.tanh,
})
