"""Convolution and transposed convolution on Tensors, along one, two and three axes."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import cnnkit.ops.conv as ops
from cnnkit.autograd import Tensor, apply
from cnnkit.foreign import is_whole
from cnnkit.functional.padding import pad
from cnnkit.shapes import pads, per_axis

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, groups: int = 1) -> Tensor:
    """Slide filters (K, C/groups, S) along signals (N, C, L), or along one (C, L); see `conv2d`.

    >>> import cnnkit
    >>> conv1d(cnnkit.tensor([[[1.0, 2.0, 4.0, 8.0]]]), cnnkit.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 4.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, groups: int = 1) -> Tensor:
    """Slide filters over images: at each place, the sum of filter times image (a cross-correlation).

    ``y[n, k, p, q] = bias[k] + sum over c, r, s of weight[k, c, r, s] * x[n, c, p * stride + r * dilation,
    q * stride + s * dilation]`` on the padded image x; height and width become
    ``floor((n + padding - dilation (kernel - 1) - 1) / stride) + 1`` (guide, 3.1; Dumoulin and Visin 2016).

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
        Zeros around the image: ``(height, width)`` or ``((top, bottom), (left, right))``. ``"same"`` makes
        the output ``ceil(n / stride)``, with the extra pixel at the bottom and right; ``"valid"`` adds none.
    groups : int
        The number of groups of channels that do not mix; ``groups=C`` is a depthwise convolution.

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
        sizes = (shape[2:], weight.shape[2:]) if padding == "same" else ()
        window = _window(2, stride, padding, dilation, groups, *sizes)
    except TypeError:  # lists have no hash, but are accepted; other errors are raised again here
        window = _window.__wrapped__(2, stride, padding, dilation, groups, tuple(shape[2:]),
                                     tuple(weight.shape[2:]))
    return apply(ops.conv, input, weight, bias, **window)


def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, groups: int = 1) -> Tensor:
    """Slide filters (K, C/groups, T, R, S) through volumes (N, C, D, H, W) or (C, D, H, W); see `conv2d`.

    >>> import cnnkit
    >>> conv3d(cnnkit.tensor([[[[[1.0, 2.0]], [[3.0, 4.0]]]]]), cnnkit.tensor([[[[[1.0]], [[1.0]]]]]))
    tensor([[[[[4., 6.]]]]])
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv(rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
          dilation: Any, groups: int) -> Tensor:
    shape = input.shape
    if len(shape) == rank + 1:
        return _conv(rank, input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    window = _window.__wrapped__(rank, stride, padding, dilation, groups, tuple(shape[2:]),
                                 tuple(weight.shape[2:]))
    return apply(ops.conv, input, weight, bias, **window)


@lru_cache(1024, typed=True)
def _window(rank: int, stride: Any, padding: Any, dilation: Any, groups: Any, size: tuple = (),
            kernel_size: tuple = ()) -> dict:
    """The arguments in the form that the op takes."""
    if not is_whole(groups):
        raise TypeError(f"groups must be an integer; got {groups!r}")
    stride, dilation = per_axis(stride, "stride", 1, rank), per_axis(dilation, "dilation", 1, rank)
    if len(size) != rank or len(kernel_size) != rank:
        size = kernel_size = (1,) * rank  # the op says what is wrong with the shapes
    amounts = pads(padding, size, kernel_size, stride, dilation, rank)
    return {"stride": stride, "padding": amounts, "dilation": dilation,
            "groups": operator.index(groups)}


# -- transposed ----------------------------------------------------------------------------------------------

def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
                     padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """`conv_transpose2d` along signals (N, C, L), or one (C, L), with a weight (C, K/groups, S).

    >>> import cnnkit
    >>> conv_transpose1d(cnnkit.tensor([[[1.0, 2.0]]]), cnnkit.tensor([[[1.0, 1.0]]]), stride=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
                     padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """Transposed convolution: add pixel times filter to the pixels that `conv2d` would have read it from.

    It is the gradient of `conv2d` with respect to its input, and makes images larger: height and width
    become ``(n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`` (Dumoulin and Visin
    2016, chapter 4).

    Parameters
    ----------
    input : Tensor, (N, C, P, Q) or (C, P, Q)
        Images, or one image.
    weight : Tensor, (C, K/groups, R, S)
        Filters, of the input's dtype.
    bias : Tensor, (K,), optional
        Added to each output channel.
    stride, dilation : int or pair of int
        Pixels of the result between neighbouring positions of the filter, and between filter elements.
    padding : int or pair of int
        Pixels of the result that are left out on both sides.
    output_padding : int or pair of int
        Extra pixels at the bottom and right; smaller than stride or dilation. Several image sizes give
        the input's size under a convolution with this stride; this selects one of them.
    groups : int
        As in `conv2d`.

    Returns
    -------
    Tensor, (N, K, H, W) or (K, H, W)

    Raises
    ------
    ValueError, TypeError
        If shapes, dtypes or arguments do not fit; the message says what would.

    >>> import cnnkit
    >>> weight = cnnkit.tensor([[[[1.0, 1.0], [0.0, 1.0]]]])
    >>> conv_transpose2d(cnnkit.tensor([[[[1.0, 2.0]]]]), weight, stride=2)
    tensor([[[[1., 1., 2., 2.],
              [0., 1., 0., 2.]]]])
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
                     padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:
    """`conv_transpose2d` of volumes (N, C, D, H, W), or of one, with a weight (C, K/groups, T, R, S).

    >>> import cnnkit
    >>> conv_transpose3d(cnnkit.tensor([[[[[1.0, 2.0]]]]]), cnnkit.tensor([[[[[3.0]], [[4.0]]]]]))
    tensor([[[[[3., 6.]],
    <BLANKLINE>
              [[4., 8.]]]]])
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
                output_padding: Any, groups: int, dilation: Any) -> Tensor:
    shape, name = input.shape, f"conv_transpose{rank}d"
    if len(shape) == rank + 1:
        batch = input.unsqueeze(0)
        return _transposed(rank, batch, weight, bias, stride, padding, output_padding, groups,
                           dilation).squeeze(0)
    if len(shape) != rank + 2 or len(weight.shape) != rank + 2:
        raise ValueError(f"{name} got an input of shape {shape} and a weight of shape {weight.shape}; "
                         f"it needs {rank + 2} axes each, or {rank + 1} of one image")
    window = _window.__wrapped__(rank, stride, per_axis(padding, "padding", 0, rank), dilation, groups)
    extra, axes = per_axis(output_padding, "output_padding", 0, rank), []
    for n, k, s, d, amounts, extra_pixels in zip(shape[2:], weight.shape[2:], window["stride"],
                                                 window["dilation"], window["padding"], extra):
        if extra_pixels >= max(s, d):
            raise ValueError(f"{name} got output_padding={output_padding}, "
                             f"stride={stride}, dilation={dilation}; "
                             "output_padding must be smaller than stride or dilation along each axis")
        axes.append(_enlarged(n, k, s, d, amounts, extra_pixels))
    size, window["padding"], beyond = zip(*axes)
    if min(size) < 1:
        raise ValueError(f"{name} makes no pixels of an input of shape {shape} with a weight of shape "
                         f"{weight.shape}, {stride=}, {padding=}: use less padding")
    y = apply(ops.conv_input, input, weight, size=size, **window)
    if any(beyond):
        y = pad(y, [amount for n in reversed(beyond) for amount in (0, n)])
    return y if bias is None else y + bias.reshape((1, -1, *(1,) * rank))


def _enlarged(n: int, k: int, s: int, d: int, amounts: tuple[int, int],
              extra: int) -> tuple[int, tuple[int, int], int]:
    """Along one axis: the pixels that filters reach, what is left out of them, and zeros beyond.

    A convolution of the result must give n pixels back, and would give more where `extra` is as large as the
    stride. So pixels that padding leaves out at the end come back first, and what is more is zeros.
    """
    before, after = amounts
    cut = min(after, extra) if extra >= s else 0
    beyond = max(extra - cut - s + 1, 0)
    return (n - 1) * s - before - after + d * (k - 1) + extra - beyond + 1, (before, after - cut), beyond
