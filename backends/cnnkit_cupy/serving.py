"""What the kernel tables hold: the CUDA kernel of each op, for whatever device its arrays are on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnnkit.ops.folding import CONV_CHAIN, fold_norm

__all__ = ["every_kernel"]


def every_kernel(name: str) -> Mapping:
    """The CUDA kernel of each op, for the backend called `name`; imported for its first array."""
    from cnnkit_cupy import (
        conv,
        conv_relu_pool,
        conv_tensor,
        depthwise,
        direct,
        gathering,
        linear,
        loss,
        norm,
        pool,
        random,
        update,
    )

    return {
        "adam": update.adam,
        "adaptive_avg_pool": pool.adaptive_avg_pool2d,
        "adaptive_max_pool": pool.adaptive_max_pool2d,
        "adaptive_max_pool_with_indices": pool.adaptive_max_pool2d_with_indices,
        "avg_pool": pool.avg_pool2d,
        "batch_norm": norm.batch_norm,
        ("norm", "add?", "activation?"): norm.batch_norm_chain,
        # the most special one first
        "conv": (depthwise.conv2d, direct.conv2d, conv_tensor.conv2d, conv.conv2d),
        "conv_filters": (direct.conv2d_filters, conv_tensor.conv2d_filters, conv.conv2d_filters),
        "conv_input": (direct.conv2d_input, conv_tensor.conv2d_input, conv.conv2d_input),
        CONV_CHAIN: (conv_relu_pool.conv2d_relu_max_pool2d, depthwise.conv2d_relu, direct.conv2d_relu,
                     conv_tensor.conv2d_relu, conv.conv2d_relu, partial(fold_norm, read=False)),
        "cross_entropy": loss.cross_entropy,
        "dropout": random.dropout,
        "linear": linear.linear,
        ("linear", "activation"): linear.linear_chain,
        "max_pool": pool.max_pool2d,
        "max_pool_with_indices": pool.max_pool2d_with_indices,
        "random_bits": random.random_bits(name),
        "scatter_add": gathering.scatter_add,
        "sgd": update.sgd,
        "take": gathering.take,
    }
