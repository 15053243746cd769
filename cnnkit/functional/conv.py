"""Convolution on Tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cnnkit.ops.conv as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.shapes import pads, pair

__all__ = ["conv2d"]


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Tensor:
    """Slide filters over images: at each place, the sum of filter times image (a cross-correlation).

    ``y[n, k, p, q] = bias[k] + sum over c, r, s of weight[k, c, r, s] * x[n, c, p * stride + r * dilation, q * stride + s *
    dilation]`` on the padded image x; height and width become ``floor((n + padding - dilation (kernel - 1) - 1) / stride) + 1``
    (guide, 3.1; Dumoulin and Visin 2016).

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
        Images, or one image.
    weight : Tensor, (K, C/groups, R, S)
        K filters, of the input's dtype.
    bias : Tensor, (K,), optional
        Added to each output channel.
    stride, dilation : int or pair of int
        Pixels from one place to the next, and from one filter element to the next.
    padding : int, pair, pair of pairs, "same" or "valid"
        Zeros around the image: ``(height, width)`` or ``((top, bottom), (left, right))``. ``"same"`` makes the output
        ``ceil(n / stride)``, with the extra pixel at the bottom and right; ``"valid"`` adds none.
    groups : int
        Split the channels in so many groups that do not mix; ``groups=C`` is a depthwise convolution.

    Returns
    -------
    Tensor, (N, K, P, Q) or (K, P, Q)

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit; the message says what would.

    >>> import cnnkit
    >>> image = cnnkit.tensor([[[[0.0, 0.0, 1.0, 1.0]] * 3]])
    >>> sobel = cnnkit.tensor([[[[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]]])
    >>> conv2d(image, sobel)
    tensor([[[[4., 4.]]]])
    >>> conv2d(image, sobel, padding="same", stride=2).shape
    (1, 1, 2, 2)
    """
    shape = input.shape
    if len(shape) == 3:
        return conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    try:
        window = _window(stride, padding, dilation, groups, *((shape[2:], weight.shape[2:]) if padding == "same" else ()))
    except TypeError:  # lists have no hash, and are welcome; what is wrong is said again
        window = _window.__wrapped__(stride, padding, dilation, groups, tuple(shape[2:]), tuple(weight.shape[2:]))
    return apply(ops.conv2d, input, weight, bias, **window)


@lru_cache(1024, typed=True)
def _window(stride: Any, padding: Any, dilation: Any, groups: Any, size: tuple = (1, 1), kernel_size: tuple = (1, 1)) -> dict:
    """The arguments as the op wants them."""
    if type(groups) is not int:
        raise TypeError(f"groups must be an integer; got {groups!r}")
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    if len(size) != 2 or len(kernel_size) != 2:
        size = kernel_size = (1, 1)  # the op says what is wrong with the shapes
    return {"stride": stride, "padding": pads(padding, size, kernel_size, stride, dilation), "dilation": dilation, "groups": groups}
