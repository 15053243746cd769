"""Chains of ops, in the form in which the kernels of tables get them."""

from cnnkit.ops import OPS
from cnnkit.ops.core import Call

ARRAYS = {"conv": 3, "linear": 3, "batch_norm": 5, "add": 2}


def chain(names, attrs):
    """The calls of ops with these names and attributes, one after the other."""
    return [Call(OPS[name], settings, ARRAYS.get(name, 1) - (position > 0))
            for position, (name, settings) in enumerate(zip(names, attrs))]
