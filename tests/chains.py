"""Chains of ops as the kernels of tables are given them."""

from cnnkit.ops import OPS
from cnnkit.ops.core import Call

ARRAYS = {"conv": 3, "linear": 3, "batch_norm": 5, "add": 2}


def chain(names, attrs):
    """The calls of ops with these names and attributes, one after the other."""
    return [Call(OPS[name], given, ARRAYS.get(name, 1) - (place > 0))
            for place, (name, given) in enumerate(zip(names, attrs))]
