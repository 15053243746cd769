"""Ops: functions on arrays, written once against the Array API; see `cnnkit.ops.core` for the contract."""

from cnnkit.ops import (
    activation,
    adaptive_pool,
    conv,
    ctc,
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
    padding,
    pairs,
    pool,
    reduction,
    resampling,
    rounding,
    shaping,
    standardize,
    trigonometry,
    unary,
    unfolding,
    unpool,
    update,
)
from cnnkit.ops.core import OPS, Op, compose, op

__all__ = ["OPS", "Op", "activation", "adaptive_pool", "compose", "conv", "ctc", "cumulative", "dropout",
           "elementwise", "exponential", "gathering", "indexing", "linear", "loss", "matmul", "norm", "op",
           "padding", "pairs", "pool", "reduction", "resampling", "rounding", "shaping", "standardize",
           "trigonometry", "unary", "unfolding", "unpool", "update"]
