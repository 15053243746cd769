"""The ``cpu`` kernel table: C++ kernels for float32 NumPy arrays; what they do not serve falls to NumPy's."""

from __future__ import annotations

from collections.abc import Callable

from cnnkit.backends import KernelTable
from cnnkit.backends.native import NativeCalls
from cnnkit_cpu import library
from cnnkit_cpu.runtime import Runtime


def kernels() -> dict[str | tuple[str, ...], Callable | tuple[Callable, ...]]:
    """The function of each op's name, or of each pattern of a chain of ops; imported on first use."""
    from cnnkit.ops.folding import CONV_CHAIN
    from cnnkit_cpu import (
        activation,
        conv,
        folding,
        gathering,
        joining,
        linear,
        loss,
        norm,
        pixels,
        pool,
        random,
        resampling,
        shaping,
        standardize,
        update,
    )

    return {
        "adam": update.adam,
        "adaptive_avg_pool": pool.adaptive_avg_pool2d,
        "add": activation.add,
        "avg_pool": pool.avg_pool2d,
        "batch_norm": norm.batch_norm,
        "concat": joining.concat,
        ("norm", "add?", "activation?"): norm.batch_norm_chain,
        "conv": conv.conv2d,
        "conv_filters": conv.conv2d_filters,
        "conv_input": conv.conv2d_input,
        CONV_CHAIN: (conv.conv2d_chain, folding.fold_norm),
        "cross_entropy": loss.cross_entropy,
        "dropout": random.dropout,
        "linear": linear.linear,
        ("linear", "activation"): linear.linear_chain,
        "look_up": pixels.look_up,
        "max_pool": pool.max_pool2d,
        "mean": pool.mean,
        "random_bits": random.random_bits,
        "relu": activation.relu,
        **{name: activation.activation(name) for name in activation.NUMBERS if name != "relu"},
        "resample": resampling.resample,
        "resample_input": resampling.resample_input,
        "reshape": shaping.reshape,
        "rmsprop": update.rmsprop,
        "scatter_add": gathering.scatter_add,
        "sgd": update.sgd,
        "standardize": standardize.standardize,
        "take": gathering.take,
    }


def native() -> NativeCalls:
    """What notes the kernels' C calls for `cnnkit.capture`; imported on first use."""
    from cnnkit_cpu.replay import CNativeCalls

    return CNativeCalls()


table = KernelTable("cpu", "numpy", kernels, priority=10, available=library.available, runtime=Runtime(),
                    missing=library.missing, native=native)
