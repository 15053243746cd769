"""Images sampled at any places: spatial transformers (Jaderberg et al. 2015), on Tensors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

from cnnkit.autograd import Tensor, apply
from cnnkit.autograd.casting import WIDEST, runs_in
from cnnkit.backends import backend_of, dtype_name, namespace_of, on
from cnnkit.foreign import device_of
from cnnkit.ops import gathering, matmul, shaping

__all__ = ["affine_grid", "grid_sample"]

Array = Any
MODES, PADDING_MODES = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
A = -0.75  # of the cubic convolution kernel


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """For each pixel of an image, where an affine map takes it from: a grid for `grid_sample`.

    Parameters
    ----------
    theta : Tensor, (N, 2, 3) or (N, 3, 4)
        Matrices of maps from places of the result to places of the source, x before y (before z), all from
        -1 to 1.
    size : sequence of int
        (N, C, H, W) or (N, C, D, H, W) of the result.
    align_corners : bool, optional
        Whether -1 and 1 are the centers of the outermost pixels, or their outer edges (by default).

    Returns
    -------
    Tensor, (N, H, W, 2) or (N, D, H, W, 3)

    Raises
    ------
    ValueError
        If the shapes do not fit, or a size is below 1.
    TypeError
        If `theta` is not of floating-point numbers.

    >>> import cnnkit
    >>> shift = cnnkit.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    >>> affine_grid(shift, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-0.5,  0. ],
              [ 1.5,  0. ]]]])
    """
    if "float" not in dtype_name(theta.dtype):
        raise TypeError(f"affine_grid needs theta of floating-point numbers; got {dtype_name(theta.dtype)}")
    rank, sizes = len(size) - 2, tuple(size)
    if rank not in (2, 3) or theta.shape != (sizes[0], rank, rank + 1):
        raise ValueError("affine_grid takes theta (N, 2, 3) for size (N, C, H, W), or (N, 3, 4) for "
                         f"(N, C, D, H, W); got theta of shape {theta.shape} and size={sizes}")
    if min(sizes) < 1:
        raise ValueError(f"affine_grid needs sizes of at least 1; got {sizes}")
    _default(align_corners, "affine_grid")
    array = theta.array
    xp, device = namespace_of(array), device_of(array)
    with on(array):
        axes = []
        for axis, n in enumerate(sizes[2:]):
            places = xp.linspace(-1, 1, n, dtype=array.dtype, device=device) if n > 1 else xp.zeros(
                (1,), dtype=array.dtype, device=device)
            if not align_corners:
                places = places * ((n - 1) / n)
            places = xp.reshape(places, (-1, *(1,) * (rank - axis - 1)))
            axes.append(xp.reshape(xp.broadcast_to(places, sizes[2:]), (-1,)))
        ones = xp.ones((math.prod(sizes[2:]),), dtype=array.dtype, device=device)
        base = xp.stack([*reversed(axes), ones], axis=1)
    grid = apply(matmul.matmul, Tensor(base), theta.transpose(1, 2))
    return grid.reshape((sizes[0], *sizes[2:], rank))


@runs_in(WIDEST)
def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Tensor:
    """The values of images at places between pixels.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (N, C, D, H, W)
        Images or volumes.
    grid : Tensor, (N, P, Q, 2) or (N, O, P, Q, 3)
        For each pixel of the result, where in the input it is taken from: x, y (and z), from -1 to 1.
    mode : {"bilinear", "nearest", "bicubic"}
        How values are made of the pixels around a place (of volumes, ``"bilinear"`` means trilinear; cubics
        are for images only).
    padding_mode : {"zeros", "border", "reflection"}
        What lies beyond the image: zeros, its outermost pixels, or its mirror image.
    align_corners : bool, optional
        As in `affine_grid`.

    Returns
    -------
    Tensor, (N, C, P, Q) or (N, C, O, P, Q)

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such mode.
    TypeError
        If the dtypes differ.

    >>> import cnnkit
    >>> image = cnnkit.tensor([[[[1.0, 3.0]]]])
    >>> grid_sample(image, cnnkit.tensor([[[[0.0, 0.0], [1.0, 0.0]]]]), align_corners=True)
    tensor([[[[2., 3.]]]])
    """
    _check(input, grid, mode, padding_mode)
    align = _default(align_corners, "grid_sample")
    (N, C, *size), (_, *places, rank) = input.shape, grid.shape
    axes = []  # along each axis, (positions, weights or None) of each of the pixels that make a value
    with on(input.array):
        for axis, n in enumerate(size):
            along = _scaled(grid[..., rank - 1 - axis], n, align, rank)
            axes.append(_neighbours(along, n, mode, padding_mode, align))
        rows = input.permute(0, *range(2, rank + 2), 1).reshape(N * math.prod(size), C)
        if padding_mode == "zeros":  # what is beyond the image comes from one more row
            rows = apply(shaping.pad, rows, pads=((0, 1), (0, 0)), value=0.0)
        indices, weights = _corners(axes, N, tuple(size), padding_mode)
        xp = namespace_of(indices[0])
        index = xp.reshape(xp.stack(indices, axis=0), (-1,))
    taken = apply(gathering.take, rows, Tensor(index), axis=0)
    if weights:
        taken = taken.reshape(len(indices), N * math.prod(places), C)
        taken = (taken * apply(shaping.concat, *weights, axis=0)).sum(0)
    result = taken.reshape((N, *places, C))
    return result.permute(0, rank + 1, *range(1, rank + 1))


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    if mode not in MODES or padding_mode not in PADDING_MODES:
        raise ValueError(f"grid_sample has mode {', '.join(MODES)} and padding_mode "
                         f"{', '.join(PADDING_MODES)}; got {mode=}, {padding_mode=}")
    shape, places = input.shape, grid.shape
    rank = len(shape) - 2
    if rank not in (2, 3) or len(places) != rank + 2 or places[-1] != rank or places[0] != shape[0]:
        raise ValueError("grid_sample takes images (N, C, H, W) with a grid (N, P, Q, 2), or volumes "
                         f"(N, C, D, H, W) with a grid (N, O, P, Q, 3); got {shape} and {places}")
    if mode == "bicubic" and rank != 2:
        raise ValueError(f"grid_sample with mode='bicubic' takes images (N, C, H, W); got {shape}")
    if 0 in shape[2:]:
        raise ValueError(f"grid_sample needs images with pixels; got {shape}")
    if input.dtype != grid.dtype:
        raise TypeError(f"grid_sample needs one dtype; input and grid are {dtype_name(input.dtype)} and "
                        f"{dtype_name(grid.dtype)}. Convert one with .to(dtype=...)")


def _default(align_corners: bool | None, name: str) -> bool:
    if align_corners is None:
        warnings.warn(f"{name} takes align_corners=False by default; say which to be understood",
                      stacklevel=4)
    return bool(align_corners)


def _scaled(places: Tensor, n: int, align: bool, rank: int) -> Tensor:
    """Places from -1 to 1 as places from 0 to ``n - 1`` along an axis; rounded as PyTorch does."""
    if rank == 2:
        return (places + 1) * ((n - 1) / 2) if align else (places + 1) * (n / 2) - 0.5
    return (places + 1) / 2 * (n - 1) if align else ((places + 1) * n - 1) / 2


def _neighbours(along: Tensor, n: int, mode: str, padding_mode: str, align: bool) -> list:
    """The pixels along one axis that make each value: positions, as floats, and weights."""
    if mode == "bicubic":
        exact = along.array
        xp = namespace_of(exact)
        first = xp.floor(exact)
        t = along - Tensor(first)
        weights = (_far(t + 1), _near(t), _near(1 - t), _far(2 - t))
        positions = [first + offset for offset in (-1, 0, 1, 2)]
        if padding_mode != "zeros":
            positions = [_bounded(position, n, padding_mode, align)[0] for position in positions]
        return list(zip(positions, weights))
    exact = along.array
    if padding_mode != "zeros":
        exact, slope = _bounded(exact, n, padding_mode, align)
        # only the slope has a gradient: the rest are steps
        along = along * Tensor(slope) + Tensor(exact - slope * along.array)
    xp = namespace_of(exact)
    if mode == "nearest":
        return [(xp.round(exact), None)]
    first = xp.floor(exact)
    t = along - Tensor(first)
    return [(first, 1 - t), (first + 1, t)]


def _near(t: Tensor) -> Tensor:
    """The cubic convolution kernel at a distance up to 1 (Keys 1981)."""
    return ((A + 2) * t - (A + 3)) * t * t + 1


def _far(t: Tensor) -> Tensor:
    """The cubic convolution kernel at a distance from 1 to 2."""
    return ((A * t - 5 * A) * t + 8 * A) * t - 4 * A


def _bounded(x: Array, n: int, padding_mode: str, align: bool) -> tuple[Array, Array]:
    """Places moved into the image, and how fast they move there: 1, -1, or 0 at an edge."""
    xp = namespace_of(x)
    slope = xp.ones_like(x)
    if padding_mode == "reflection":
        low, span = (0.0, float(n - 1)) if align else (-0.5, float(n))
        if span == 0:
            return xp.zeros_like(x), xp.zeros_like(x)
        distance = xp.abs(x - low)
        turns = xp.floor(distance / span)
        rest = distance - turns * span
        forward = turns - 2 * xp.floor(turns / 2) == 0
        slope = xp.where(x < low, -slope, slope)
        slope = xp.where(forward, slope, -slope)
        x = xp.where(forward, rest + low, span - rest + low)
    inside = (x > 0) & (x < n - 1)
    x = xp.where(x > 0, x, xp.zeros_like(x))  # NaN comes to 0 too
    x = xp.where(x < n - 1, x, xp.full_like(x, n - 1))
    return x, xp.where(inside, slope, xp.zeros_like(slope))


def _corners(axes: list, N: int, size: tuple[int, ...],
             padding_mode: str) -> tuple[list[Array], list[Tensor]]:
    """Of each pixel that is part of a value, its row among all pixels, and its weight."""
    pixels = math.prod(size)
    some = axes[0][0][0]
    xp, wide, device = namespace_of(some), backend_of(some).dtype("int64"), device_of(some)
    start = xp.reshape(xp.arange(N, dtype=wide, device=device) * pixels, (N, *(1,) * len(size)))
    along = [[(_whole(position, n, wide), weight) for position, weight in parts]
             for parts, n in zip(axes, size)]
    indices, weights = [], []
    for corner in product(*along):
        flat, is_inside, total = 0, True, None
        for ((position, inside), weight), n in zip(corner, size):
            flat, is_inside = flat * n + position, is_inside & inside
            total = weight if total is None else total if weight is None else total * weight
        index = flat + start
        if padding_mode == "zeros":
            index = xp.where(is_inside, index, xp.full_like(index, N * pixels))
        indices.append(xp.reshape(index, (-1,)))
        if total is not None:
            weights.append(total.reshape(1, indices[0].shape[0], 1))
    return indices, weights


def _whole(position: Array, n: int, dtype: Any) -> tuple[Array, Array]:
    """A position as an integer inside the image, and whether it was inside before."""
    xp = namespace_of(position)
    inside = (position >= 0) & (position <= n - 1)
    position = xp.where(position > 0, position, xp.zeros_like(position))
    position = xp.where(position < n - 1, position, xp.full_like(position, n - 1))
    return xp.astype(position, dtype), inside
