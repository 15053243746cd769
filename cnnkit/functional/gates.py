"""Activations of several values at once: gates, trained slopes, and slopes and categories that are drawn."""

from __future__ import annotations

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.autograd.casting import LOWER, runs_in
from cnnkit.autograd.functions import sigmoid, where
from cnnkit.autograd.in_place import change
from cnnkit.functional.activation import leaky_relu, softmax

__all__ = ["glu", "gumbel_softmax", "prelu", "rrelu"]


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second (Dauphin et al. 2017).

    Raises
    ------
    ValueError
        If the size of `dim` is odd.

    >>> import cnnkit
    >>> glu(cnnkit.tensor([4.0, 0.0]))
    tensor([2.])
    """
    if not input.ndim:
        raise ValueError("glu does not support 0-dimensional tensors")
    size = input.shape[dim]
    if size % 2:
        raise ValueError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return input.narrow(dim, 0, size // 2) * sigmoid(input.narrow(dim, size // 2, size // 2))


@runs_in(LOWER)
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, elsewhere x times a trained slope, one for all or one for each channel (He et al. 2015).

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        Channels are axis 1; of an input of one axis, each element is a sample.
    weight : Tensor, (1,), (C,) or ()
        The slopes.

    Raises
    ------
    ValueError
        If there are several slopes, and not one for each channel.

    >>> import cnnkit
    >>> prelu(cnnkit.tensor([[-2.0, -2.0, 3.0]]), cnnkit.tensor([0.5, 0.25, 0.5]))
    tensor([[-1. , -0.5,  3. ]])
    """
    count = weight.numel()
    if len(weight.shape) > 1:
        raise ValueError("prelu: Expected `weight` to be a scalar or 1D tensor; "
                         f"got shape {weight.shape}")
    if count != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if not input.ndim:
            raise ValueError("prelu: not allowed zero-dim input tensor with several slopes")
        if channels != count:
            raise ValueError("prelu: mismatch of parameter numbers and input channel size: "
                             f"parameter numbers = {count} and channel size = {channels}")
        weight = weight.reshape(1, -1, *(1,) * (input.ndim - 2))
    else:
        weight = weight.reshape(())
    return where(input > 0, input, input * weight)


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
          inplace: bool = False) -> Tensor:
    """x where x >= 0, elsewhere x times a slope that is drawn for each element (Xu et al. 2015).

    Parameters
    ----------
    input : Tensor
        Any shape.
    lower, upper : float
        The bounds of the slopes.
    training : bool
        Draw the slopes; otherwise all are the middle of the bounds.
    inplace : bool
        Change `input` itself, and return it.

    >>> import cnnkit
    >>> rrelu(cnnkit.tensor([-4.0, 1.0]), 0.25, 0.75)
    tensor([-2.,  1.])
    """
    if lower > upper:
        raise ValueError(f"Lower bound should be less than or equal to the upper bound; got lower={lower}, "
                         f"upper={upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = Tensor(random.uniform(random.next_key(), tuple(input.shape), like=input.array))
    slopes = slopes.to(dtype=input.dtype) * (upper - lower) + lower

    def drawn(x: Tensor) -> Tensor:
        return where(x >= 0, x, x * slopes)
    return change(drawn, input) if inplace else drawn(input)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10,
                   dim: int = -1) -> Tensor:
    """Categories that are drawn, or nearly so, with a gradient for their scores (Jang, Gu and Poole 2017).

    Parameters
    ----------
    logits : Tensor
        Scores of the categories.
    tau : float
        The temperature: the lower, the closer to one-hot.
    hard : bool
        Give one-hot values, with the gradient of the soft ones.
    eps : float
        Accepted as PyTorch's, and of no effect.
    dim : int
        The axis of the categories.

    >>> import cnnkit
    >>> gumbel_softmax(cnnkit.tensor([0.0, 100.0]), hard=True)
    tensor([0., 1.])
    """
    uniform = Tensor(random.uniform(random.next_key(), tuple(logits.shape), like=logits.array))
    noise = -(-uniform.to(dtype=logits.dtype).clamp(min=2.0**-24).log()).clamp(min=2.0**-24).log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    values = soft.detach()
    chosen = values.argmax(dim, keepdim=True)
    one_hot = values.new_zeros(values.shape).scatter(dim, chosen, 1.0)
    return one_hot - values + soft
