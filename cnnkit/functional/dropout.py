"""Dropout on Tensors."""

from __future__ import annotations

import cnnkit.ops.dropout as ops
from cnnkit import random
from cnnkit.autograd import Tensor, apply_to

__all__ = ["dropout"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p`, and divide the others by 1 - p, so that the expectation stays.

    The positions come from ``cnnkit.random.next_key()``: they are the same after the same
    `cnnkit.random.seed`, on every backend.

    Parameters
    ----------
    input : Tensor
        Any shape, floating-point.
    p : float
        Probability of a zero, from 0 to 1.
    training : bool
        Where it is false, or `p` is 0, the input is returned as it is and nothing is drawn.
    inplace : bool
        Change `input` itself, and return it.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    Examples
    --------
    >>> import cnnkit
    >>> cnnkit.random.seed(0)
    >>> dropout(cnnkit.tensor([1.0, 2.0, 3.0, 4.0]), p=0.5)
    tensor([2., 0., 6., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    return apply_to(ops.dropout, input, p=p, key=random.next_key(), inplace=inplace)
