"""Ops: one function on arrays each, written once against the Array API; see `cnnkit.ops.core` for the contract."""

from cnnkit.ops import activation, arithmetic, conv, dropout, linear, loss, norm, pool, update
from cnnkit.ops.core import OPS, Op, compose, op

__all__ = ["OPS", "Op", "activation", "arithmetic", "compose", "conv", "dropout", "linear", "loss", "norm", "op", "pool",
           "update"]
