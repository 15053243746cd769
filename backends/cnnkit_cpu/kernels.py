"""The ``cpu`` kernel table: C++ kernels for float32 NumPy arrays; what they do not serve falls to NumPy's."""

from __future__ import annotations

from collections.abc import Callable

from cnnkit.backends import KernelTable
from cnnkit_cpu import library
from cnnkit_cpu.runtime import Runtime


def kernels() -> dict[str | tuple[str, ...], Callable]:
    """The function of each op's name, or of each pattern of a chain of ops; imported on first use."""
    from cnnkit_cpu import (
        activation,
        conv,
        gathering,
        linear,
        loss,
        norm,
        pixels,
        pool,
        random,
        shaping,
        standardize,
        update,
    )

    return {
        "adam": update.adam,
        "add": activation.add,
        "avg_pool": pool.avg_pool2d,
        "batch_norm": norm.batch_norm,
        ("norm", "add?", "activation?"): norm.batch_norm_chain,
        "conv": conv.conv2d,
        "conv_filters": conv.conv2d_filters,
        "conv_input": conv.conv2d_input,
        ("conv", "activation?", "pool?"): conv.conv2d_chain,
        "cross_entropy": loss.cross_entropy,
        "dropout": random.dropout,
        "leaky_relu": activation.leaky_relu,
        "linear": linear.linear,
        ("linear", "activation"): linear.linear_chain,
        "look_up": pixels.look_up,
        "max_pool": pool.max_pool2d,
        "random_bits": random.random_bits,
        "relu": activation.relu,
        "reshape": shaping.reshape,
        "scatter_add": gathering.scatter_add,
        "sgd": update.sgd,
        "standardize": standardize.standardize,
        "take": gathering.take,
    }


table = KernelTable("cpu", "numpy", kernels, priority=10, available=library.available, runtime=Runtime(),
                    missing=library.missing)
