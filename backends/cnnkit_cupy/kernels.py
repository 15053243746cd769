"""The kernel tables: the same host code and the same .cu files, on CuPy's arrays and on the emulator's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cnnkit.backends import KernelTable
from cnnkit_cupy import backend


def first(*candidates: Callable) -> Callable:
    """A kernel that asks these in turn, the most special one first, until one does not decline.

    >>> first(lambda x: NotImplemented if x < 0 else "root", lambda x: "anything")(-1)
    'anything'
    """
    def kernel(*arrays: Any, **settings: Any) -> Any:
        for candidate in candidates:
            result = candidate(*arrays, **settings)
            if result is not NotImplemented:
                return result
        return NotImplemented
    return kernel


def kernels(name: str) -> Mapping:
    """Every op that has a CUDA kernel, for the backend called `name`; imported when its first array asks."""
    from cnnkit_cupy import conv, conv_relu_pool, depthwise, direct, loss, norm, pool, random, update

    return {
        "adam": update.adam,
        "adaptive_avg_pool2d": pool.adaptive_avg_pool2d,
        "adaptive_max_pool2d": pool.adaptive_max_pool2d,
        "adaptive_max_pool2d_with_indices": pool.adaptive_max_pool2d_with_indices,
        "avg_pool2d": pool.avg_pool2d,
        "batch_norm": norm.batch_norm,
        ("batch_norm", "relu"): norm.batch_norm_relu,
        "conv2d": first(depthwise.conv2d, direct.conv2d, conv.conv2d),
        ("conv2d", "relu"): first(depthwise.conv2d_relu, direct.conv2d_relu, conv.conv2d_relu),
        ("conv2d", "relu", "max_pool2d"): conv_relu_pool.conv2d_relu_max_pool2d,
        "cross_entropy": loss.cross_entropy,
        "dropout": random.dropout,
        "max_pool2d": pool.max_pool2d,
        "max_pool2d_with_indices": pool.max_pool2d_with_indices,
        "random_bits": random.random_bits(name),
        "sgd": update.sgd,
    }


table = KernelTable("cupy", "cupy", partial(kernels, "cupy"), available=backend.available)
emulated = KernelTable("emulator", "emulator", partial(kernels, "emulator"))
