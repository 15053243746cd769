"""Output shapes of whole (N, C, *spatial) arrays, checked; run at every call of an op."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.shapes.sizes import fitting_size
from cnnkit.shapes.windows import canonical_window, per_axis, window_count

SPATIAL = {1: "L", 2: "H, W", 3: "D, H, W"}   # letters of an image's spatial axes, by rank
KERNELS = {1: "S", 2: "R, S", 3: "T, R, S"}   # and of a filter's


def conv_output_shape(input_shape: Sequence[int], weight_shape: Sequence[int], stride: Any = (1, 1),
                      padding: Any = ((0, 0), (0, 0)), dilation: Any = (1, 1), groups: int = 1,
                      op: str = "") -> tuple[int, ...]:
    """The shape ``(N, K, P, Q)`` that a convolution makes, checked.

    Fast where `pads` and `per_axis` were applied to the arguments before.

    Parameters
    ----------
    input_shape, weight_shape : tuple of int
        ``(N, C, H, W)`` and ``(K, C/groups, R, S)``, or with any other number of spatial axes: that of
        `stride`, `padding` or `dilation`, or of the input where all are numbers.
    stride, padding, dilation
        As in `output_size`.
    groups : int
        The number of groups of channels that are convolved separately.
    op : str
        What the error calls the operation; by default ``conv2d``, for two spatial axes.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, `groups` does not divide the channels, or the kernel is larger
        than the padded input. The message names the shapes and what would fit.

    >>> conv_output_shape((32, 3, 28, 56), (8, 3, 3, 3), padding="same")
    (32, 8, 28, 56)
    >>> conv_output_shape((32, 3, 28), (8, 3, 3), 1, 0, 1)
    (32, 8, 26)
    """
    try:
        (n, c, h, w), (k, c_group, r, s) = input_shape, weight_shape
        (s_h, s_w), (d_h, d_w), ((top, bottom), (left, right)) = stride, dilation, padding
        p = (h + top + bottom - d_h * (r - 1) - 1) // s_h + 1
        q = (w + left + right - d_w * (s - 1) - 1) // s_w + 1
        if (c == c_group * groups and groups > 0 and k % groups == 0
                and min(p, q, r, s, s_h, s_w, d_h, d_w) > 0):
            return n, k, p, q
    except (TypeError, ValueError, ZeroDivisionError):
        pass  # not of two spatial axes, not canonical, or not valid
    rank = _rank(input_shape, stride, padding, dilation)
    op = op or f"conv{rank}d"
    n, c, *size = _images(input_shape, op, rank)
    if len(weight_shape) != rank + 2:
        raise ValueError(f"{op} takes a weight of shape (K, C/groups, {KERNELS[rank]}); "
                         f"got {tuple(weight_shape)}")
    k, c_group, *kernel_size = weight_shape
    call = f"input shape {tuple(input_shape)}, weight shape {tuple(weight_shape)}"
    if groups < 1 or c % groups or k % groups:
        raise ValueError(f"{op} got {call}: {groups_advice(c, k, groups)}")
    if c != c_group * groups:
        raise ValueError(f"{op} got {call}, {groups=}: the input has {_channels(c)}, but the weight takes "
                         f"{c_group * groups}. Give an input of {_channels(c_group * groups)}, "
                         f"or a weight of shape {(k, c // groups, *kernel_size)}")
    kernel = per_axis(kernel_size, "kernel_size", 1, rank)
    window = canonical_window(padding, tuple(size), kernel, stride, dilation)
    return n, k, *fitting_size(f"{op} got {call}", tuple(size), kernel, *window)


def pool_output_shape(input_shape: Sequence[int], kernel_size: Any,
                      stride: Any = None, padding: Any = ((0, 0), (0, 0)),
                      dilation: Any = (1, 1), ceil_mode: bool = False, op: str = "pool") -> tuple[int, ...]:
    """The shape ``(N, C, P, Q)`` that a pooling makes, checked.

    Fast where `pads` and `per_axis` were applied to the arguments before.

    Parameters
    ----------
    input_shape : tuple of int
        ``(N, C, H, W)``, or with any other number of spatial axes: that of `kernel_size` and the
        other arguments, or of the input where all are numbers.
    kernel_size, stride, padding, dilation, ceil_mode
        As in `output_size`; `stride` is the kernel's size where it is ``None``.
    op : str
        What the error calls the operation, without the number of spatial axes.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input, or the padding larger than half of what the kernel
        spans (PyTorch's rule, but with the dilated span, which leaves room for ``"same"``). The message names
        what would fit.

    >>> pool_output_shape((32, 8, 28, 56), 2)
    (32, 8, 14, 28)
    """
    try:
        n, c, h, w = input_shape
        (k_h, k_w), (s_h, s_w), (d_h, d_w) = kernel_size, stride, dilation
        (top, bottom), (left, right) = padding
        p = window_count(h, k_h, s_h, top, bottom, d_h, ceil_mode)
        q = window_count(w, k_w, s_w, left, right, d_w, ceil_mode)
        half_h, half_w = (d_h * (k_h - 1) + 1) // 2, (d_w * (k_w - 1) + 1) // 2
        if (top <= half_h and bottom <= half_h and left <= half_w and right <= half_w
                and min(p, q, k_h, k_w, s_h, s_w, d_h, d_w) > 0):
            return n, c, p, q
    except (TypeError, ValueError, ZeroDivisionError):
        pass  # not of two spatial axes, not canonical, or not valid
    rank = _rank(input_shape, kernel_size, stride, padding, dilation)
    op = f"{op}{rank}d"
    n, c, *sizes = _images(input_shape, op, rank)
    size, kernel = tuple(sizes), per_axis(kernel_size, "kernel_size", 1, rank)
    stride, padding, dilation = canonical_window(padding, size, kernel,
                                                 kernel if stride is None else stride, dilation)
    half = tuple((d * (k - 1) + 1) // 2 for k, d in zip(kernel, dilation))
    if any(max(amounts) > limit for amounts, limit in zip(padding, half)):
        raise ValueError(f"{op} got {padding=}, kernel_size={kernel}, {dilation=}: padding may be at most "
                         f"half of what the kernel spans. Use padding={half} or less, or a larger kernel")
    call = f"{op} got input shape {tuple(input_shape)}, kernel_size={kernel}"
    return n, c, *fitting_size(call, size, kernel, stride, padding, dilation, ceil_mode)


def _rank(input_shape: Sequence[int], *settings: Any) -> int:
    """The number of spatial axes: that of the first setting with one value per axis, or of the input."""
    return next((len(value) for value in settings if isinstance(value, tuple)), max(len(input_shape) - 2, 1))


def _images(shape: Sequence[int], op: str, rank: int) -> tuple[int, ...]:
    if len(shape) == rank + 2:
        return tuple(shape)
    axes = SPATIAL[rank]
    fix = (" Reshape the input: one image is (1, C, H, W), and grey images are (N, 1, H, W)"
           if rank == 2 else "")
    inputs = "images" if rank == 2 else "inputs"
    raise ValueError(f"{op} takes {inputs} of shape (N, C, {axes}); got {tuple(shape)}.{fix}")


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def groups_advice(c: int, k: int, groups: int) -> str:
    divisors = ", ".join(str(g) for g in range(1, math.gcd(c, k) + 1) if c % g == 0 and k % g == 0)
    return (f"groups={groups} must divide the {_channels(c)} of the input and the {_channels(k)} of the "
            f"output. Use one of groups={divisors}, or other numbers of channels")
