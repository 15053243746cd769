"""Windows of images as columns, and back."""

from __future__ import annotations

from typing import Any

import cnnkit.ops.unfolding as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.shapes import pads, per_axis

__all__ = ["fold", "unfold"]


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images, one a column; within a column, channel by channel and row by row.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    kernel_size, dilation, padding, stride
        As in `conv2d`; padding is zeros.

    Returns
    -------
    Tensor, (N, C R S, L) or (C R S, L)
        L is the number of windows.

    Raises
    ------
    ValueError, TypeError
        If shapes or arguments do not fit.

    >>> import cnnkit
    >>> unfold(cnnkit.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), 2)
    tensor([[1., 2.],
            [2., 3.],
            [4., 5.],
            [5., 6.]])
    """
    if len(input.shape) == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    return apply(ops.unfold, input, **_window(kernel_size, dilation, padding, stride))


def fold(input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
         stride: Any = 1) -> Tensor:
    """Images of `output_size`, each pixel the sum of those of the windows that cover it: `unfold`'s gradient.

    Parameters
    ----------
    input : Tensor, (N, C R S, L) or (C R S, L)
        Windows, one a column, as `unfold` gives them.
    output_size : int or pair of int
        (H, W).
    kernel_size, dilation, padding, stride
        As in `unfold`.

    Returns
    -------
    Tensor, (N, C, H, W) or (C, H, W)

    Raises
    ------
    ValueError, TypeError
        If there are not as many columns or rows as such images have; the message says how many.

    >>> import cnnkit
    >>> fold(cnnkit.tensor([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]), (2, 3), 2)
    tensor([[[ 1.,  4.,  3.],
             [ 4., 10.,  6.]]])
    """
    if len(input.shape) == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    return apply(ops.fold, input, size=per_axis(output_size, "output_size"),
                 **_window(kernel_size, dilation, padding, stride))


def _window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, Any]:
    kernel = per_axis(kernel_size, "kernel_size")
    return {"kernel_size": kernel, "stride": per_axis(stride, "stride"),
            "padding": pads(padding, (1, 1), kernel), "dilation": per_axis(dilation, "dilation")}
