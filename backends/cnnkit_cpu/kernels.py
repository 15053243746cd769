"""The ``cpu`` kernel table: C++ kernels for float32 NumPy arrays; what they do not serve falls to NumPy's."""

from __future__ import annotations

from collections.abc import Callable

from cnnkit.backends import KernelTable
from cnnkit_cpu import library
from cnnkit_cpu.runtime import Runtime


def kernels() -> dict[str | tuple[str, ...], Callable]:
    """Op, or key of a fused kernel, to function; made on first use."""
    from cnnkit_cpu import activation, conv, linear, loss, norm, pixels, pool, random, shaping, update

    return {
        "adam": update.adam,
        "add": activation.add,
        "avg_pool2d": pool.avg_pool2d,
        "batch_norm": norm.batch_norm,
        ("batch_norm", "add"): norm.batch_norm_add,
        ("batch_norm", "add", "relu"): norm.batch_norm_add_relu,
        ("batch_norm", "relu"): norm.batch_norm_relu,
        "conv2d": conv.conv2d,
        ("conv2d", "leaky_relu"): conv.conv2d_leaky_relu,
        ("conv2d", "leaky_relu", "max_pool2d"): conv.conv2d_leaky_relu_max_pool2d,
        ("conv2d", "relu"): conv.conv2d_relu,
        ("conv2d", "relu", "max_pool2d"): conv.pooled(True, conv.MAX_POOL),
        ("conv2d", "relu", "avg_pool2d"): conv.pooled(True, conv.AVG_POOL),
        ("conv2d", "max_pool2d"): conv.conv2d_max_pool2d,
        ("conv2d", "avg_pool2d"): conv.pooled(False, conv.AVG_POOL),
        "cross_entropy": loss.cross_entropy,
        "dropout": random.dropout,
        "leaky_relu": activation.leaky_relu,
        "linear": linear.linear,
        ("linear", "relu"): linear.linear_relu,
        "look_up": pixels.look_up,
        "max_pool2d": pool.max_pool2d,
        "random_bits": random.random_bits,
        "relu": activation.relu,
        "reshape": shaping.reshape,
        "sgd": update.sgd,
    }


table = KernelTable("cpu", "numpy", kernels, priority=10, available=library.available, runtime=Runtime())
