"""Pooling by maxima, and pooling over whole images."""

from __future__ import annotations

import math
from typing import Any

import cnnkit.autograd.functions as T
import cnnkit.ops.pool as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.functional import pad
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.host import integers, room
from cnnkit.onnx.importer.operators.windows import Pads, pads_of, sizes


def _padded(x: Tensor, padding: Pads, kernel: Ints, dilation: Ints) -> tuple[Tensor, Pads]:
    """The input with padding that the ops do not take, more than half a window, and what is left to do."""
    half = [(d * (k - 1) + 1) // 2 for k, d in zip(kernel, dilation)]
    if all(min(pair) >= 0 and max(pair) <= most for pair, most in zip(padding, half)):
        return x, padding
    amounts = [n for pair in reversed(padding) for n in pair]
    return pad(x, amounts, value=-math.inf), ((0, 0),) * len(padding)


@operator("MaxPool")
def max_pool(x: Tensor, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: int = 0,
             dilations: Ints | None = None, pads: Ints | None = None, storage_order: int = 0,
             strides: Ints | None = None, results: int) -> Any:
    """The largest element of each window, and on request its position in the whole input."""
    rank = x.ndim - 2
    kernel, stride = sizes(kernel_shape, rank, "kernel_shape"), sizes(strides, rank, "strides")
    dilation = sizes(dilations, rank, "dilations")
    padding = pads_of(auto_pad, pads, x.shape[2:], kernel, stride, dilation)
    exact = x if x.is_floating_point() else x.to(dtype="float32")  # 8 bits
    exact, kept = _padded(exact, padding, kernel, dilation)
    window: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": kept, "dilation": dilation,
                              "ceil_mode": bool(ceil_mode)}
    if results == 1:
        return apply(ops.max_pool, exact, **window).to(dtype=x.dtype)
    y, index = apply(ops.max_pool_with_indices, exact, **window)
    return y.to(dtype=x.dtype), _positions(index, x.shape, exact.shape, padding, bool(storage_order))


def _positions(index: Tensor, shape: tuple[int, ...], padded: tuple[int, ...], padding: Pads,
               columns_first: bool) -> Tensor:
    """Positions within an image, which may have been padded, as positions within all images.

    With `columns_first` the last axes of each image are counted the other way round.
    """
    size, rest = shape[2:], index
    places: list[Tensor] = []
    for n, (before, _), whole in zip(reversed(padded[2:]), reversed(padding), reversed(size)):
        places.insert(0, T.remainder(rest, n) - (before if n != whole else 0))
        rest = T.floor_divide(rest, n)
    order = range(len(size) - 1, -1, -1) if columns_first else range(len(size))
    flat: Any = 0
    for axis in order:
        flat = flat * size[axis] + places[axis]
    first = T.arange(shape[0] * shape[1], device=index.device).to(dtype=flat.dtype) * math.prod(size)
    return (flat + first.reshape((shape[0], shape[1], *(1,) * len(size)))).to(dtype="int64")


@operator("MaxUnpool", settings="output_shape")
def max_unpool(x: Tensor, indices: Tensor, output_shape: Tensor | None = None, *, kernel_shape: Ints,
               pads: Ints | None = None, strides: Ints | None = None) -> Tensor:
    """Zeros, with the input's elements at positions within the whole result."""
    rank = x.ndim - 2
    kernel, stride = sizes(kernel_shape, rank, "kernel_shape"), sizes(strides, rank, "strides")
    padding = pads_of("NOTSET", pads, x.shape[2:], kernel, stride, (1,) * rank)
    small = tuple((n - 1) * s + k - sum(pair) for n, s, k, pair in zip(x.shape[2:], stride, kernel, padding))
    whole = integers(output_shape) or (*x.shape[:2], *small)
    room(whole)
    places = indices.reshape((-1,))
    if whole[2:] != small:  # the positions are those in the smaller images, from whose first pixel they count
        flat: Any = 0
        axes: list[Tensor] = []
        rest = places
        for n in reversed((*x.shape[:2], *small)):
            axes.insert(0, T.remainder(rest, n))
            rest = T.floor_divide(rest, n)
        for n, place in zip(whole, axes):
            flat = flat * n + place
        places = flat
    zeros = T.zeros(math.prod(whole), dtype=x.dtype, device=x.device)
    return zeros.scatter(0, places, x.reshape((-1,))).reshape(whole)


@operator("GlobalMaxPool")
def global_max_pool(x: Tensor) -> Tensor:
    return T.amax(x, tuple(range(2, x.ndim)), keepdim=True)


@operator("GlobalAveragePool")
def global_average_pool(x: Tensor) -> Tensor:
    return T.mean(x, tuple(range(2, x.ndim)), keepdim=True)


@operator("GlobalLpPool")
def global_lp_pool(x: Tensor, *, p: int = 2) -> Tensor:
    total = T.sum(T.abs(x) ** float(p), tuple(range(2, x.ndim)), keepdim=True)
    return total ** (1 / p)
