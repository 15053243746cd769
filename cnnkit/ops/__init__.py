"""Ops: functions on arrays, written once against the Array API; see `cnnkit.ops.core` for the contract."""

from cnnkit.ops import (
    activation,
    adaptive_pool,
    conv,
    cumulative,
    dropout,
    elementwise,
    exponential,
    gathering,
    indexing,
    linear,
    loss,
    matmul,
    norm,
    pairs,
    pool,
    reduction,
    rounding,
    shaping,
    trigonometry,
    unary,
    update,
)
from cnnkit.ops.core import OPS, Op, compose, op

__all__ = ["OPS", "Op", "activation", "adaptive_pool", "compose", "conv", "cumulative", "dropout",
           "elementwise", "exponential", "gathering", "indexing", "linear", "loss", "matmul", "norm", "op",
           "pairs", "pool", "reduction", "rounding", "shaping", "trigonometry", "unary", "update"]
