"""All windows of an image as columns, and the sum of such columns into an image: each other's backward."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import narrow, widen
from cnnkit.ops.window import Pads, Sizes, pad
from cnnkit.ops.window import fold as summed
from cnnkit.ops.window import unfold as windows_of
from cnnkit.shapes import output_size

__all__ = ["fold", "unfold"]

Array = Any


def _counts(name: str, size: Sequence[int], *, kernel_size: Sizes, stride: Sizes, padding: Pads,
            dilation: Sizes) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    try:
        return output_size(tuple(size), kernel_size, stride, padding, dilation, rank=len(kernel_size))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _infer_unfold(shapes: Sequence, dtypes: Sequence, *, kernel_size: Sizes, stride: Sizes, padding: Pads,
                  dilation: Sizes) -> tuple:
    x = tuple(shapes[0])
    if len(x) != len(kernel_size) + 2:
        raise ValueError(f"unfold takes images with {len(kernel_size) + 2} axes, or {len(kernel_size) + 1} "
                         f"of one; got shape {x}")
    counts = _counts(f"unfold of {x}", x[2:], kernel_size=kernel_size, stride=stride, padding=padding,
                     dilation=dilation)
    return (((x[0], x[1] * prod(kernel_size), prod(counts)), dtypes[0]),)


def _infer_fold(shapes: Sequence, dtypes: Sequence, *, size: Sizes, kernel_size: Sizes, stride: Sizes,
                padding: Pads, dilation: Sizes) -> tuple:
    columns, pixels = tuple(shapes[0]), prod(kernel_size)
    if len(columns) != 3 or columns[1] % pixels:
        raise ValueError(f"fold takes columns (N, C {pixels}, L), or (C {pixels}, L) of one image, for "
                         f"kernel_size={kernel_size}; got shape {columns}")
    counts = _counts("fold", size, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    if prod(counts) != columns[2]:
        raise ValueError(f"fold got columns of shape {columns}, that is {columns[2]} windows; images of "
                         f"{size} with {kernel_size=}, {stride=}, {padding=}, {dilation=} have "
                         f"{prod(counts)}")
    return (((columns[0], columns[1] // pixels, *size), dtypes[0]),)


@op(infer=_infer_unfold, saves={})
def unfold(x: Array, *, needs: Sequence[bool], kernel_size: Sizes, stride: Sizes, padding: Pads,
           dilation: Sizes) -> tuple:
    """The windows of images, one a column ("im2col"): (N, C, H, W) -> (N, C R S, P Q); padding is zeros."""
    window: dict[str, Any] = {"kernel_size": kernel_size, "stride": stride, "padding": padding,
                              "dilation": dilation}
    N, C, *size = x.shape
    counts = _counts("", size, **window)
    columns = windows_of(pad(x, padding), kernel_size, stride, dilation, counts)
    columns = namespace_of(x).reshape(columns, (N, C * prod(kernel_size), prod(counts)))
    return columns, (lambda d: (fold(d, size=tuple(size), **window)[0][0],)) if needs[0] else None


@op(infer=_infer_fold, sums=True, saves={})
def fold(columns: Array, *, needs: Sequence[bool], size: Sizes, kernel_size: Sizes, stride: Sizes,
         padding: Pads, dilation: Sizes) -> tuple:
    """Images of `size` (H, W), each pixel the sum of those of all windows over it: `unfold`'s gradient."""
    window: dict[str, Any] = {"kernel_size": kernel_size, "stride": stride, "padding": padding,
                              "dilation": dilation}
    N, rows, _ = columns.shape
    counts = _counts("", size, **window)
    parts = namespace_of(columns).reshape(widen(columns), (N, rows // prod(kernel_size), prod(kernel_size),
                                                           *counts))
    padded = tuple(n + sum(amounts) for n, amounts in zip(size, padding))
    inside = tuple(slice(before, before + n) for n, (before, _) in zip(size, padding))
    x = summed(parts, padded, kernel_size, stride, dilation)[(slice(None), slice(None), *inside)]
    x = narrow(x, columns.dtype)
    return x, (lambda dx: (unfold(dx, **window)[0][0],)) if needs[0] else None
