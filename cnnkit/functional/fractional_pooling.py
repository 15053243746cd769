"""Fractional max pooling on Tensors: windows at drawn distances, so that sizes shrink by any factor."""

from __future__ import annotations

from math import prod
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor, apply
from cnnkit.backends import backend_of, namespace_of, on
from cnnkit.foreign import device_of
from cnnkit.ops import gathering, reduction
from cnnkit.shapes import per_axis

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]

Array = Any


def fractional_max_pool2d(input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Tensor | None = None) -> Any:
    """The largest pixels of overlapping windows whose distances are drawn for each channel (Graham 2014).

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    kernel_size : int or pair of int
        Height and width of the windows.
    output_size : int or pair of int, optional
        (P, Q).
    output_ratio : float or pair of float, optional
        (P / H, Q / W) instead.
    return_indices : bool
        Return a pair: the result, and each pixel's position in its H * W image (int64).

    Returns
    -------
    Tensor, (N, C, P, Q) or (C, P, Q), or a pair of them

    Raises
    ------
    ValueError
        If neither size nor ratio is given, or the windows do not fit.

    >>> import cnnkit
    >>> fractional_max_pool2d(cnnkit.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2, output_size=1)
    tensor([[[4.]]])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Tensor | None = None) -> Any:
    """`fractional_max_pool2d` of volumes (N, C, D, H, W), or of one.

    >>> import cnnkit
    >>> fractional_max_pool3d(cnnkit.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), (1, 2, 2), output_size=1)
    tensor([[[[4.]]]])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def _fractional(rank: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
                return_indices: bool, samples: Tensor | None) -> Any:
    name, shape = f"fractional_max_pool{rank}d", input.shape
    if len(shape) == rank + 1:
        results = _fractional(rank, input.unsqueeze(0), kernel_size, output_size, output_ratio, True, samples)
        y, indices = (result.squeeze(0) for result in results)
        return (y, indices) if return_indices else y
    if len(shape) != rank + 2:
        raise ValueError(f"{name} takes {rank + 2} axes, or {rank + 1} of one image; got shape {shape}")
    kernel = per_axis(kernel_size, "kernel_size", 1, rank)
    if output_size is None:
        if output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
        ratios = output_ratio if isinstance(output_ratio, tuple | list) else (output_ratio,) * rank
        output_size = tuple(int(n * ratio) for n, ratio in zip(shape[2:], ratios, strict=True))
    size = per_axis(output_size, "output_size", 1, rank)
    for n, k, m in zip(shape[2:], kernel, size):
        if m + k - 1 > n:
            raise ValueError(f"{name} got an input of shape {shape}, kernel_size={kernel}, "
                             f"output_size={size}: {m} windows of {k} need at least {m + k - 1} pixels along "
                             f"an axis, which has {n}")
    with on(input.array):
        index = Tensor(_positions(input.array, kernel, size, samples))
    # (N, C, pixels of the result, pixels of a window)
    flat = index.reshape((*shape[:2], prod(index.shape[2:])))
    windows = apply(gathering.take_along_axis, input.reshape((*shape[:2], prod(shape[2:]))), flat, axis=2)
    windows = windows.reshape(index.shape)
    best = apply(reduction.argmax, windows.detach(), axis=3, keepdims=True)
    y, indices = (apply(gathering.take_along_axis, values, best, axis=3).reshape((*shape[:2], *size))
                  for values in (windows, index))
    return (y, indices) if return_indices else y


def _positions(x: Array, kernel: tuple[int, ...], size: tuple[int, ...], samples: Tensor | None) -> Array:
    """Where in its image each pixel of each window lies: (N, C, P Q, R S)."""
    xp, backend, device, rank = namespace_of(x), backend_of(x), device_of(x), len(size)
    planes, wide = tuple(x.shape[:2]), backend.dtype("int64")
    # a number from 0 to 1 for each image, channel and axis, the last axis first
    draws = (random.uniform_between(random.next_key(), (*planes, rank), 0.0, 1.0, x.dtype, like=x)
             if samples is None else samples.array[:planes[0], :planes[1]])
    flat: Any = 0
    for axis, (n, k, m) in enumerate(zip(x.shape[2:], kernel, size)):
        draw = draws[:, :, rank - 1 - axis][:, :, None]
        alpha = (n - k) / (m - 1) if m > 1 else 0.0
        places = xp.astype(xp.arange(m - 1, dtype=wide, device=device), draw.dtype)
        starts = xp.astype(xp.floor((places + draw) * alpha) - xp.floor(draw * alpha), wide)
        last = xp.full((*planes, 1), n - k, dtype=wide, device=device)  # the last window is at the end
        starts = xp.reshape(xp.concat([starts, last], axis=2), (*planes, m, 1))
        along = starts + xp.arange(k, dtype=wide, device=device)
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = m, k
        flat = flat * n + xp.reshape(along, (*planes, *shape))
    return xp.reshape(flat, (*planes, prod(size), prod(kernel)))
