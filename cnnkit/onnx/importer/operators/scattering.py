"""Elements put to positions."""

from __future__ import annotations

import math

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.operators.gathering import counted_from_the_start, flat_places

REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scattered(x: Tensor, axis: int, indices: Tensor, updates: Tensor, reduction: str) -> Tensor:
    places = counted_from_the_start(indices, x.shape[axis])
    if reduction == "none":
        return T.scatter(x, axis, places, updates)
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is none, {', '.join(REDUCTIONS)}; got {reduction!r}")
    return T.scatter_reduce(x, axis, places, updates, REDUCTIONS[reduction])


@operator("Scatter", since=9, until=10)
def scatter(x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0) -> Tensor:
    return _scattered(x, axis, indices, updates, "none")


@operator("ScatterElements", since=11)
def scatter_elements(x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0,
                     reduction: str = "none") -> Tensor:
    return _scattered(x, axis, indices, updates, reduction)


@operator("ScatterND", since=11)
def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    """Slices put to tuples of positions."""
    depth = indices.shape[-1]
    named, rest = x.shape[:depth], x.shape[depth:]
    rows = x.reshape((math.prod(named), math.prod(rest)))
    places = flat_places(indices, named).reshape((-1, 1))
    places = T.broadcast_to(places, (places.shape[0], math.prod(rest)))
    return _scattered(rows, 0, places, updates.reshape(places.shape), reduction).reshape(x.shape)
