"""Max unpooling on Tensors, along one, two and three axes: the way back from max pooling with indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cnnkit.ops.unpool as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.backends import on
from cnnkit.ops.gathering import is_signed, positions
from cnnkit.shapes import per_axis

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                 output_size: Sequence[int] | None = None) -> Tensor:
    """`max_unpool2d` of signals (N, C, L), or one (C, L).

    >>> import cnnkit
    >>> max_unpool1d(cnnkit.tensor([[[3.0, 5.0]]]), cnnkit.tensor([[[1, 2]]]), 2)
    tensor([[[0., 3., 5., 0.]]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                 output_size: Sequence[int] | None = None) -> Tensor:
    """Put each maximum back where `max_pool2d` found it; all other pixels are 0.

    Parameters
    ----------
    input : Tensor, (N, C, P, Q) or (C, P, Q)
        Maxima.
    indices : Tensor of int64, of the input's shape
        Their positions in images of H * W pixels: what ``max_pool2d(..., return_indices=True)`` gives too.
    kernel_size, stride, padding
        As in the `max_pool2d` before.
    output_size : sequence of int, optional
        (H, W), or a whole shape that ends so: several sizes give the same number of maxima. By default
        ``(n - 1) stride - 2 padding + kernel`` along each axis.

    Returns
    -------
    Tensor, (N, C, H, W) or (C, H, W)

    Raises
    ------
    ValueError, IndexError, TypeError
        If the shapes differ or `output_size` cannot be; if an index is beyond the image, or no integer.

    >>> import cnnkit
    >>> image = cnnkit.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    >>> y, indices = cnnkit.functional.max_pool2d(image, 2, return_indices=True)
    >>> max_unpool2d(y, indices, 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                 output_size: Sequence[int] | None = None) -> Tensor:
    """`max_unpool2d` of volumes (N, C, D, H, W), or of one.

    >>> import cnnkit
    >>> max_unpool3d(cnnkit.tensor([[[[[3.0]]]]]), cnnkit.tensor([[[[[1]]]]]), (1, 1, 2))
    tensor([[[[[0., 3.]]]]])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _unpool(rank: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
            output_size: Sequence[int] | None) -> Tensor:
    shape = input.shape
    if len(shape) == rank + 1:
        return _unpool(rank, input.unsqueeze(0), indices.unsqueeze(0), kernel_size, stride, padding,
                       output_size).squeeze(0)
    kernel = per_axis(kernel_size, "kernel_size", 1, rank)
    step = kernel if stride is None or stride == [] else per_axis(stride, "stride", 1, rank)
    size = tuple((n - 1) * s + k - 2 * p for n, s, k, p in
                 zip(shape[2:], step, kernel, per_axis(padding, "padding", 0, rank)))
    if output_size is not None:
        size = _checked(rank, tuple(output_size), size, step)
    if is_signed(indices.dtype):  # else the op says what is wrong
        with on(indices.array):
            indices = Tensor(positions(indices.array, math.prod(size), axis=2))
    return apply(ops.max_unpool, input, indices, size=size)


def _checked(rank: int, output_size: tuple[int, ...], default: tuple[int, ...],
             stride: tuple[int, ...]) -> tuple[int, ...]:
    size = output_size[-rank:]
    if len(output_size) not in (rank, rank + 2):
        raise ValueError(f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it "
                         f"has a length of {len(output_size)}")
    for axis, (n, usual, step) in enumerate(zip(size, default, stride)):
        if not usual - step < n < usual + step:
            raise ValueError(f"invalid output_size {output_size} (axis {axis} must be between {usual - step} "
                             f"and {usual + step})")
    return size
