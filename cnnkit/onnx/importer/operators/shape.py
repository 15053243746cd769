"""Shapes, and the same elements in another one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cnnkit.autograd.functions as T
from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.constants import computed_dtype
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.host import host, integers, room
from cnnkit.onnx.importer.narrow import NARROW
from cnnkit.onnx.importer.narrow import cast as narrowed

if TYPE_CHECKING:
    from cnnkit.onnx.importer.graph import Graph


@operator("Identity", since=1, foldable=True)
def identity(x: Tensor) -> Tensor:
    return x


@operator("Shape", foldable=True)
def shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return host(list(x.shape[start:end]), "int64")


@operator("Reshape", settings="shape", foldable=True)
def reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    """-1 stands for what is left, and 0 for the input's own size along that axis, without ``allowzero``."""
    wanted = integers(shape)
    assert wanted is not None
    if not allowzero:
        if any(n == 0 for n in wanted[x.ndim:]):
            raise ValueError(f"the shape {wanted} takes sizes from an input of shape {x.shape}, which has "
                             "none there")
        wanted = tuple(x.shape[axis] if n == 0 else n for axis, n in enumerate(wanted))
    if -1 in wanted and 0 in wanted and not allowzero:  # of no elements, what is left is known all the same
        rest = math.prod(n for n in wanted if n != -1)
        wanted = tuple((x.numel() // rest if rest else 0) if n == -1 else n for n in wanted)
    return x.reshape(wanted)


@operator("Flatten", foldable=True)
def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """A matrix: the axes before `axis`, and the others."""
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"there is no axis {axis} in the shape {x.shape}")
    rows = math.prod(x.shape[:axis])
    return x.reshape((rows, math.prod(x.shape[axis:] if axis else x.shape)))


@operator("Transpose", foldable=True)
def transpose(x: Tensor, *, perm: Ints | None = None) -> Tensor:
    return x.permute(*(reversed(range(x.ndim)) if perm is None else perm))


@operator("Squeeze", until=12, foldable=True)
def squeeze_by_attribute(x: Tensor, *, axes: Ints | None = None) -> Tensor:
    return _squeezed(x, axes)


@operator("Squeeze", since=13, settings="axes", foldable=True)
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return _squeezed(x, integers(axes))


def _squeezed(x: Tensor, axes: Ints | None) -> Tensor:
    if axes is None:
        return x.reshape(tuple(n for n in x.shape if n != 1))
    chosen = {axis % x.ndim if -x.ndim <= axis < x.ndim else None for axis in axes}
    if None in chosen or any(x.shape[axis] != 1 for axis in chosen if axis is not None):
        raise ValueError(f"the axes {axes} of the shape {x.shape} are not all of size 1")
    return x.reshape(tuple(n for axis, n in enumerate(x.shape) if axis not in chosen))


@operator("Unsqueeze", until=12, foldable=True)
def unsqueeze_by_attribute(x: Tensor, *, axes: Ints) -> Tensor:
    return _unsqueezed(x, axes)


@operator("Unsqueeze", since=13, settings="axes", foldable=True)
def unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    return _unsqueezed(x, integers(axes) or ())


def _unsqueezed(x: Tensor, axes: Ints) -> Tensor:
    ndim = x.ndim + len(axes)
    places = {axis % ndim if -ndim <= axis < ndim else None for axis in axes}
    if None in places or len(places) != len(axes):
        raise ValueError(f"the axes {axes} are not those of an array of {ndim} axes, each once")
    rest = iter(x.shape)
    return x.reshape(tuple(1 if axis in places else next(rest) for axis in range(ndim)))


@operator("Expand", settings="shape", foldable=True)
def expand(x: Tensor, shape: Tensor) -> Tensor:
    """Stretched to a shape, which may itself be stretched to the input's."""
    wanted = T.broadcast_shapes(x.shape, integers(shape))
    room(wanted)
    return T.broadcast_to(x, wanted)


@operator("Tile", settings="repeats", foldable=True)
def tile(x: Tensor, repeats: Tensor) -> Tensor:
    times = integers(repeats)
    assert times is not None
    if len(times) != x.ndim or min(times, default=0) < 0:
        raise ValueError(f"repeats={times} does not fit the shape {x.shape}")
    room(tuple(n * r for n, r in zip(x.shape, times)))
    return T.tile(x, times)


@operator("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Channels as pixels: of ``"DCR"`` the block's place changes slowest among the channels, else fastest."""
    if mode == "CRD":
        return F.pixel_shuffle(x, blocksize)
    N, C, H, W = x.shape
    blocks = x.reshape((N, blocksize, blocksize, C // blocksize**2, H, W))
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape((N, C // blocksize**2, H * blocksize, W * blocksize))


@operator("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    if mode == "CRD":
        return F.pixel_unshuffle(x, blocksize)
    N, C, H, W = x.shape
    blocks = x.reshape((N, C, H // blocksize, blocksize, W // blocksize, blocksize))
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape((N, C * blocksize**2, H // blocksize, W // blocksize))


@operator("Cast", foldable=True)
def cast(x: Tensor, *, to: int, saturate: int = 1, round_mode: str = "up") -> Tensor:
    if to in NARROW:
        return narrowed(x, NARROW[to], bool(saturate), round_mode)
    return x.to(dtype=computed_dtype(to))


@operator("CastLike", foldable=True)
def cast_like(x: Tensor, target: Tensor, *, saturate: int = 1, round_mode: str = "up") -> Tensor:
    """Of a narrow dtype, which a Tensor does not tell, it was made a Cast when the graph was read."""
    return x.to(dtype=target.dtype)


@operator("If")
def choice(condition: Tensor, *read: Tensor, then_branch: Graph, else_branch: Graph) -> Tensor:
    """One of two graphs, which the model itself runs; `read` is what these read."""
    raise TypeError("an If is run by the model that it belongs to")
