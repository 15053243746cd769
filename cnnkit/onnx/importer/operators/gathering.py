"""Elements taken by their positions."""

from __future__ import annotations

import math
from typing import Any

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.host import number, room

__all__ = ["counted_from_the_start", "flat_places"]


def counted_from_the_start(index: Tensor, n: int) -> Tensor:
    """Positions that may count from the end."""
    index = index.to(dtype="int64")
    return T.where(index < 0, index + n, index)


@operator("Gather", foldable=True)
def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Slices along an axis; the indices' shape takes the axis' place."""
    axis = axis % x.ndim if x.ndim else 0
    room((*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))
    flat = counted_from_the_start(indices, x.shape[axis]).reshape((-1,))
    return T.index_select(x, axis, flat).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))


@operator("GatherElements")
def gather_elements(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return T.gather(x, axis, counted_from_the_start(indices, x.shape[axis]))


def flat_places(indices: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Tuples of positions, along the last axis of `indices`, as one position each."""
    flat: Any = 0
    for axis, n in enumerate(sizes):
        flat = flat * n + counted_from_the_start(indices[..., axis], n)
    return flat


@operator("GatherND")
def gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    """Slices at tuples of positions; the first `batch_dims` axes of both belong together."""
    batch, depth = x.shape[:batch_dims], indices.shape[-1]
    named, rest = x.shape[batch_dims:batch_dims + depth], x.shape[batch_dims + depth:]
    images = math.prod(batch)
    flat = flat_places(indices.reshape((images, -1, depth)), named)
    starts = T.arange(images, device=flat.device).to(dtype="int64").reshape((-1, 1)) * math.prod(named)
    rows = x.reshape((images * math.prod(named), *rest))
    taken = T.index_select(rows, 0, (flat + starts).reshape((-1,)))
    return taken.reshape((*indices.shape[:-1], *rest))


@operator("OneHot", settings="depth")
def one_hot(indices: Tensor, depth: Tensor, values: Tensor, *, axis: int = -1) -> Tensor:
    """values[1] where the index says, values[0] elsewhere and where an index is out of range."""
    n = int(number(depth))
    room((*indices.shape, n))
    places = indices.to(dtype="int64").unsqueeze(-1)
    places = T.where(places < 0, places + n, places)
    classes = T.arange(n, device=indices.device).to(dtype="int64")
    chosen = T.where(places == classes, values[1], values[0])
    return T.movedim(chosen, -1, axis)


@operator("NonZero")
def nonzero(x: Tensor) -> Tensor:
    """The positions of elements other than 0, a row for each axis."""
    return T.nonzero(x).transpose(0, 1)
