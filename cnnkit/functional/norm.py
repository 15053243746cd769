"""Normalisation on Tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cnnkit.ops.norm as batch
import cnnkit.ops.standardize as ops
from cnnkit.autograd import Tensor, apply, no_grad
from cnnkit.backends import dtype_name
from cnnkit.functional.padding import pad
from cnnkit.functional.pooling import avg_pool2d

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]

# from 1 to the next number
EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
               weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
               momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it.

    Parameters
    ----------
    input : Tensor, (N, C) or (N, C, ...)
        Channels are axis 1.
    running_mean, running_var : Tensor, (C,), or both None
        The statistics that are used when not `training`, and moved in place towards the batch's
        when `training`.
    weight, bias : Tensor, (C,), optional
        Scale and shift.
    training : bool
        Normalise by the batch's own mean and variance.
    momentum : float
        How far the running statistics move: ``(1 - momentum) * running + momentum * batch``; the variance
        with divisor n - 1, as in PyTorch.
    eps : float
        Added to the variance.

    Raises
    ------
    ValueError
        If the channel counts differ; when training, if there is only one value per channel.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015.

    Examples
    --------
    >>> import cnnkit
    >>> batch_norm(cnnkit.tensor([[1.0], [3.0]]), None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    return apply(batch.batch_norm, input, weight, bias, running_mean, running_var, training=training,
                 momentum=momentum, eps=eps)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise each group of channels of each image to mean 0 and variance 1, then scale and shift channels.

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        Channels are axis 1.
    num_groups : int
        Must divide C.
    weight, bias : Tensor, (C,), optional
        Scale and shift.
    eps : float
        Added to the variance.

    Raises
    ------
    ValueError
        If the groups do not divide the channels, `weight` or `bias` has another shape, or a group of a batch
        of one has one value only.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import cnnkit
    >>> group_norm(cnnkit.tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    shape = input.shape
    if len(shape) < 2:
        raise ValueError(f"group_norm got an input of shape {shape}; it needs (N, C) or (N, C, ...)")
    N, C, *size = shape
    if num_groups < 1 or C % num_groups:
        raise ValueError(f"group_norm got an input of shape {shape}, that is {C} channels, and "
                         f"num_groups={num_groups}, which must divide them")
    if N * C // num_groups * math.prod(size) == 1:
        raise ValueError("Expected more than 1 value per channel when training, got input size "
                         f"{shape} in {num_groups} groups")
    grouped = (N, num_groups, C // num_groups, *size)
    weight, bias = (_shaped(name, value, (C,), (1, *grouped[1:3], *(1,) * len(size)))
                    for name, value in (("weight", weight), ("bias", bias)))
    y = apply(ops.standardize, input.reshape(grouped), weight, bias,
              axes=tuple(range(2, len(grouped))), eps=eps, center=True)
    return y.reshape(shape)


def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
                  weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel of each image to mean 0 and variance 1, then scale and shift channels.

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        Channels are axis 1.
    running_mean, running_var : Tensor, (C,), or both None
        Statistics that are used without `use_input_stats`, and with it moved in place towards the averages
        of the images'.
    weight, bias, momentum, eps
        As in `batch_norm`.
    use_input_stats : bool
        Normalise by each image's own mean and variance.

    Raises
    ------
    ValueError
        If the channel counts differ, or a channel has one pixel only and its own statistics are to be used.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.

    Examples
    --------
    >>> import cnnkit
    >>> instance_norm(cnnkit.tensor([[[1.0, 3.0]], [[5.0, 9.0]]]), eps=0.0)
    tensor([[[-1.,  1.]],
    <BLANKLINE>
            [[-1.,  1.]]])
    """
    shape = input.shape
    if len(shape) < 2:
        raise ValueError(f"instance_norm got an input of shape {shape}; it needs (N, C, ...)")
    N, C, *size = shape
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if math.prod(size) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {shape}")
    per_channel = (1, C, *(1,) * len(size))
    scale, shift = (_shaped(name, value, (C,), per_channel)
                    for name, value in (("weight", weight), ("bias", bias)))
    if running_mean is not None and running_var is not None and N:
        with no_grad():
            means, variances = (running.detach().reshape(1, C).expand(N, C).reshape(N * C)
                                for running in (running_mean, running_var))
            batch_norm(input.detach().reshape((1, N * C, *size)), means, variances, None, None, True,
                       momentum, eps)
            for running, moved in ((running_mean, means), (running_var, variances)):
                running.copy_(moved.reshape(N, C).mean(0))
    return apply(ops.standardize, input, scale, shift, axes=tuple(range(2, len(shape))), eps=eps, center=True)


def layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
               bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise over the last axes to mean 0 and variance 1, then scale and shift each of their elements.

    Parameters
    ----------
    input : Tensor, (...) and then `normalized_shape`
        Any number of leading axes.
    normalized_shape : sequence of int
        The sizes of the last axes.
    weight, bias : Tensor, of `normalized_shape`, optional
        Scale and shift.
    eps : float
        Added to the variance.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import cnnkit
    >>> layer_norm(cnnkit.tensor([[1.0, 3.0], [2.0, 8.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    axes, normalized = _last_axes("layer_norm", input.shape, normalized_shape)
    weight, bias = (_shaped(name, value, normalized, normalized)
                    for name, value in (("weight", weight), ("bias", bias)))
    return apply(ops.standardize, input, weight, bias, axes=axes, eps=eps, center=True)


def rms_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
             eps: float | None = None) -> Tensor:
    """Divide by the root of the mean square over the last axes, then scale each of their elements.

    Parameters
    ----------
    input, normalized_shape, weight
        As in `layer_norm`.
    eps : float, optional
        Added to the mean square; by default the dtype's distance from 1 to the next number.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Examples
    --------
    >>> import cnnkit
    >>> rms_norm(cnnkit.tensor([[3.0, 3.0], [2.0, -2.0]]), (2,))
    tensor([[ 1.,  1.],
            [ 1., -1.]])
    """
    axes, normalized = _last_axes("rms_norm", input.shape, normalized_shape)
    weight = _shaped("weight", weight, normalized, normalized)
    if eps is None:
        eps = EPSILON[dtype_name(input.dtype)]
    return apply(ops.standardize, input, weight, None, axes=axes, eps=eps, center=False)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75,
                        k: float = 1.0) -> Tensor:
    """Divide each number by a power of the mean square of itself and its neighbours along the channels.

    The divisor is ``(k + alpha * mean)**beta``, where the mean is over `size` channels, zeros beyond the
    first and last (Krizhevsky, Sutskever and Hinton 2012).

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        With at least three axes; channels are axis 1.
    size : int
        Number of channels in a mean.
    alpha, beta, k : float
        Factor, exponent and summand.

    Raises
    ------
    ValueError
        If the input has fewer than three axes.

    >>> import cnnkit
    >>> local_response_norm(cnnkit.tensor([[[4.0]]]), 1, alpha=0.25, beta=0.5, k=0.0)
    tensor([[[2.]]])
    """
    shape = input.shape
    if len(shape) < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)")
    if not input.numel():
        return input
    squares = (input * input).reshape(shape[0], 1, shape[1], -1)
    around = avg_pool2d(pad(squares, (0, 0, size // 2, (size - 1) // 2)), (size, 1), 1)
    return input / (around.reshape(shape) * alpha + k) ** beta


def _shaped(name: str, value: Tensor | None, expected: tuple[int, ...],
            shape: tuple[int, ...]) -> Tensor | None:
    """A weight or bias of the `expected` shape in the `shape` that stretches to the input's."""
    if value is None:
        return None
    if value.shape != expected:
        raise ValueError(f"{name} has shape {value.shape}; the input and the arguments need {expected}")
    return value if expected == shape else value.reshape(shape)


def _last_axes(name: str, shape: tuple[int, ...],
               normalized_shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The last axes by number, and their sizes, checked."""
    normalized = tuple(normalized_shape)
    start = len(shape) - len(normalized)
    if not normalized or start < 0 or shape[start:] != normalized:
        raise ValueError(f"{name} got normalized_shape={list(normalized)} for an input of shape {shape}; "
                         f"expected an input with shape [*, {', '.join(map(str, normalized))}]")
    return tuple(range(start, len(shape))), normalized
