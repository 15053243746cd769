"""Dense layers on Tensors."""

from __future__ import annotations

import cnnkit.ops.linear as ops
from cnnkit.autograd import Tensor, apply

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor, (..., in)
        Any number of leading axes.
    weight : Tensor, (out, in)
        One row for each output.
    bias : Tensor, (out,), optional
        Added to every row of outputs.

    Returns
    -------
    Tensor, (..., out)

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit, or the dtypes differ.

    >>> import cnnkit
    >>> linear(cnnkit.tensor([[1.0, 2.0]]), cnnkit.tensor([[3.0, 4.0]]), cnnkit.tensor([0.5]))
    tensor([[11.5]])
    """
    return apply(ops.linear, input, weight, bias)
