"""Normalisation on Tensors."""

from __future__ import annotations

import cnnkit.ops.norm as ops
from cnnkit.autograd import Tensor, apply

__all__ = ["batch_norm"]


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
    return apply(ops.batch_norm, input, weight, bias, running_mean, running_var, training=training,
                 momentum=momentum, eps=eps)
