"""Ops: functions on arrays, written once against the Array API; see `cnnkit.ops.core` for the contract."""

from cnnkit.ops import (
    activation,
    adaptive_pool,
    conv,
    dropout,
    elementwise,
    gathering,
    indexing,
    linear,
    loss,
    matmul,
    norm,
    padding,
    pool,
    reduction,
    resampling,
    shaping,
    standardize,
    unary,
    unfolding,
    unpool,
    update,
)
from cnnkit.ops.core import OPS, Op, compose, op

__all__ = ["OPS", "Op", "activation", "adaptive_pool", "compose", "conv", "dropout", "elementwise",
           "gathering", "indexing", "linear", "loss", "matmul", "norm", "op", "padding", "pool", "reduction",
           "resampling", "shaping", "standardize", "unary", "unfolding", "unpool", "update"]
