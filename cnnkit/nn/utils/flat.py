"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.functions import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The parameters one after the other, flattened.

    >>> from cnnkit import nn
    >>> parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    (9,)
    """
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters the values of a vector that `parameters_to_vector` could have made.

    Raises
    ------
    TypeError
        If `vec` is not a Tensor.
    ValueError
        If it has too few elements.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        if end > vec.numel():
            raise ValueError(f"the parameters have more elements than the vector's {vec.numel()}")
        with no_grad():
            parameter.copy_(vec[start:end].reshape(parameter.shape))
        start = end
