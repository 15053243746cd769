"""Lengths, distances and angles of vectors, on Tensors."""

from __future__ import annotations

import math
from typing import Any

from cnnkit.autograd import Tensor, apply
from cnnkit.autograd.casting import FLOAT32, WIDEST, runs_in
from cnnkit.ops import elementwise, reduction
from cnnkit.ops.broadcasting import broadcast_shape

__all__ = ["bilinear", "cosine_similarity", "normalize", "pairwise_distance"]


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Vectors divided by their length: ``x / max(norm(x), eps)``.

    Parameters
    ----------
    input : Tensor
        Any shape, of floating-point numbers.
    p : float
        The exponent of the norm, ``sum(abs(x)**p)**(1 / p)``; infinity takes the largest absolute value.
    dim : int or tuple of int
        The axis, or axes, of the vectors.
    eps : float
        The smallest divisor.

    >>> import cnnkit
    >>> normalize(cnnkit.tensor([[0.0, 4.0], [0.0, 0.0]]))
    tensor([[0., 1.],
            [0., 0.]])
    """
    if not input.shape:
        return normalize(input.reshape(1), p, dim, eps).reshape(())
    return input / apply(elementwise.clip, _norm(input, p, dim), min=eps, max=None)


@runs_in(FLOAT32)
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6,
                      keepdim: bool = False) -> Tensor:
    """The length of ``x1 - x2 + eps`` along the last axis.

    Parameters
    ----------
    x1, x2 : Tensor, (..., D)
        Vectors, which broadcast.
    p : float
        The exponent of the norm.
    eps : float
        Added to each difference.
    keepdim : bool
        Keep the last axis, of size 1.

    >>> import cnnkit
    >>> pairwise_distance(cnnkit.tensor([[3.0, 4.0]]), cnnkit.tensor([[0.0, 0.0]]), eps=0.0)
    tensor([5.])
    """
    distance = _norm(x1 - x2 + eps, p, -1)
    return distance if keepdim else distance.squeeze(-1)


@runs_in(FLOAT32)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: their product over their lengths, of at least `eps`.

    Parameters
    ----------
    x1, x2 : Tensor
        Vectors, which broadcast.
    dim : int
        The axis of the vectors in the shape that they broadcast to.
    eps : float
        The smallest length to divide by.

    >>> import cnnkit
    >>> cosine_similarity(cnnkit.tensor([[0.0, 2.0]]), cnnkit.tensor([[0.0, 4.0]]))
    tensor([1.])
    """
    shape = broadcast_shape("cosine_similarity", (x1.shape, x2.shape))
    if not shape:
        return cosine_similarity(x1.reshape(1), x2.reshape(1), dim, eps).reshape(())
    x1, x2 = (x if x.shape == shape else x.expand(shape) for x in (x1, x2))
    ratios = []
    for x in (x1, x2):
        length = _norm(x, 2.0, dim)
        # the gradient goes through the length, also where that is less than eps
        more = apply(elementwise.clip, length.detach(), min=eps, max=None) - length.detach()
        ratios.append(x / (length + more))
    return apply(reduction.sum, ratios[0] * ratios[1], axis=dim, keepdims=False)


@runs_in(WIDEST)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A number for each pair of features: ``y[k] = sum of x1[i] * weight[k, i, j] * x2[j] + bias[k]``.

    Parameters
    ----------
    input1 : Tensor, (..., I)
        With the same leading axes as `input2`.
    input2 : Tensor, (..., J)
        The other vectors.
    weight : Tensor, (K, I, J)
        One matrix for each output.
    bias : Tensor, (K,), optional
        Added to each output.

    Returns
    -------
    Tensor, (..., K)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    >>> import cnnkit
    >>> bilinear(cnnkit.tensor([[2.0]]), cnnkit.tensor([[3.0, 1.0]]), cnnkit.tensor([[[1.0, 10.0]]]))
    tensor([[26.]])
    """
    first, second, shape = input1.shape, input2.shape, weight.shape
    if (len(shape) != 3 or not first or not second or first[:-1] != second[:-1]
            or (first[-1], second[-1]) != shape[1:]):
        raise ValueError("bilinear takes (..., I), (..., J) and a weight (K, I, J), with the same leading "
                         f"axes; got {first}, {second} and {shape}")
    K, I, J = shape
    if bias is not None and bias.shape != (K,):
        raise ValueError(f"bilinear got a bias of shape {bias.shape}; the weight needs {(K,)}")
    count = math.prod(first[:-1])
    rows = input1.reshape(count, I) @ weight.permute(1, 0, 2).reshape(I, K * J)
    y = apply(reduction.sum, rows.reshape(count, K, J) * input2.reshape(count, 1, J), axis=2, keepdims=False)
    y = y if bias is None else y + bias
    return y.reshape((*first[:-1], K))


def _norm(x: Tensor, p: float, dim: Any) -> Tensor:
    """The p-norm along some axes, which stay with size 1; its gradient at 0 is 0, as in PyTorch."""
    size = abs(x)
    if math.isinf(p):
        extreme = apply(reduction.max, size if p > 0 else -size, axis=dim, keepdims=True)
        return extreme if p > 0 else -extreme
    if p == 0:
        return apply(reduction.sum, (x.detach() != 0).to(dtype=x.dtype), axis=dim, keepdims=True)
    if p == 1:
        return apply(reduction.sum, size, axis=dim, keepdims=True)
    powers = x * x if p == 2 else _safe(size, lambda y: y ** p)
    total = apply(reduction.sum, powers, axis=dim, keepdims=True)
    return _safe(total, lambda y: apply(elementwise.sqrt, y) if p == 2 else y ** (1 / p))


def _safe(x: Tensor, function: Any) -> Tensor:
    """A function that has no derivative at 0, where it is 0, and so is the gradient."""
    is_zero = x.detach() == 0
    return apply(elementwise.where, is_zero, 0.0, function(apply(elementwise.where, is_zero, 1.0, x)))
