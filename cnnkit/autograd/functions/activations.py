"""The activations that PyTorch also has as ``torch.NAME`` and as a Tensor's methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.functions.conversion import to
from cnnkit.autograd.functions.operands import floating
from cnnkit.autograd.value import Value
from cnnkit.ops import activation

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["log_softmax", "relu", "selu", "softmax", "tanh"]


def relu(input: Tensor) -> Tensor:
    """max(x, 0) of each element; the gradient at 0 is 0, and NaN stays NaN.

    >>> import cnnkit
    >>> cnnkit.relu(cnnkit.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return apply(activation.relu, input)


def selu(input: Tensor) -> Tensor:
    """See `functional.selu`.

    >>> import cnnkit
    >>> cnnkit.selu(cnnkit.tensor([0.0]))
    tensor([0.])
    """
    return apply(activation.selu, input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element.

    >>> import cnnkit
    >>> cnnkit.tanh(cnnkit.tensor([0.0, 100.0]))
    tensor([0., 1.])
    """
    return apply(activation.tanh, floating(input))


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Probabilities exp(x) / sum(exp(x)) along `dim`, computed in `dtype`, if given.

    >>> import cnnkit
    >>> cnnkit.softmax(cnnkit.tensor([[1000.0, 1000.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    return _along(activation.softmax, to(input, dtype=dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`, exact where the probability itself would round to 0.

    >>> import cnnkit
    >>> cnnkit.log_softmax(cnnkit.tensor([[0.0, 1000.0]]), dim=1)
    tensor([[-1000.,     0.]])
    """
    return _along(activation.log_softmax, to(input, dtype=dtype), dim)


def _along(op: Any, input: Any, dim: int) -> Tensor:
    if not input.ndim and dim in (0, -1):
        return apply(op, input.reshape(1), axis=0).reshape(())
    return apply(op, input, axis=dim)


class ActivationMethods(Value):
    """Activations, as a Tensor's methods."""

    __slots__ = ()

    log_softmax = log_softmax
    relu = relu
    selu = selu
    softmax = softmax
    tanh = tanh
