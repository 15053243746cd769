"""Initialisation of weights from `cnnkit.random`: the same on every backend after the same seed.

Each function draws its own key from ``random.next_key()``, fills a Tensor in place without tape,
and returns it.
"""

from __future__ import annotations

import math
from typing import Any

from cnnkit import backends, random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd.functions import zeros
from cnnkit.storage.budget import spend

__all__ = ["calculate_gain", "constant_", "default_", "empty", "kaiming_normal_", "kaiming_uniform_",
           "normal_", "ones_", "place", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_"]

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
          "relu": math.sqrt(2), "selu": 3 / 4}


def place(device: Any, backend: Any) -> Any:
    """Where a layer makes its parameters: what `device` says, or `backend`; one of them at most.

    >>> place("cpu", None), place(None, "numpy")
    (device(type='cpu'), 'numpy')
    """
    if device is None:
        return backend
    if backend is not None:
        raise TypeError(f"give device= or backend=, not both: got {device!r} and {backend!r}")
    return backends.device(device)


def empty(shape: tuple[int, ...], dtype: Any = None, backend: Any = None) -> Tensor:
    """A Tensor of zeros that waits for its initial values, made where `backend` or `cnnkit.use` says.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    spend(shape)
    return zeros(shape, dtype=dtype, backend=backend)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before an activation must grow to keep the variance, as PyTorch's.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
    param : float, optional
        Negative slope of the leaky ReLU; 0.01 by default.

    Raises
    ------
    ValueError
        If the name is unknown.

    >>> round(calculate_gain("relu"), 4), round(calculate_gain("leaky_relu", 1.0), 4)
    (1.4142, 1.0)
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"there is no gain for {nonlinearity!r}; "
                         f"there is one for {', '.join([*_GAINS, 'leaky_relu'])}")
    return _GAINS[nonlinearity]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set every element to `val`."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Set every element to 0."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Set every element to 1."""
    return constant_(tensor, 1)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Draw uniformly between `a` and `b`.

    >>> random.seed(0)
    >>> uniform_(empty((2,), "float64"), -1, 1).numpy().round(3)
    array([-0.651,  0.908])
    """
    array = tensor.array
    with no_grad():
        return tensor.replace_(random.uniform_between(random.next_key(), tensor.shape, a, b,
                                                      array.dtype, like=array))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw from a normal distribution."""
    array = tensor.array
    with no_grad():
        return tensor.replace_(random.normal(random.next_key(), tensor.shape, mean, std,
                                             array.dtype, like=array))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Draw uniformly with variance ``gain**2 * 2 / (fan_in + fan_out)`` (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Draw normally with variance ``gain**2 * 2 / (fan_in + fan_out)`` (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))))


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in",
                     nonlinearity: str = "leaky_relu") -> Tensor:
    """Draw uniformly with variance ``gain**2 / fan`` (He et al. 2015).

    Parameters
    ----------
    tensor : Tensor, (out, in, ...)
        A weight; fan_in is ``in * ...``, fan_out ``out * ...``.
    a : float
        Negative slope of the leaky ReLU that follows.
    mode : {"fan_in", "fan_out"}
        Keep the variance of the forward pass, or of the backward pass.
    nonlinearity : str
        The activation that follows; see `calculate_gain`.

    Raises
    ------
    ValueError
        If the Tensor has fewer than two axes, or `mode` or `nonlinearity` is unknown.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in",
                    nonlinearity: str = "leaky_relu") -> Tensor:
    """Draw normally with variance ``gain**2 / fan`` (He et al. 2015); arguments as of `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def default_(weight: Tensor, bias: Tensor | None = None) -> None:
    """PyTorch's initialisation of dense and convolution layers: both uniform, bounded by 1 / sqrt(fan_in)."""
    fan_in = _fans(weight)[0]
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out'; got {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _fans(tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out: the inputs that affect one output, and the outputs that one input affects."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError("fan_in and fan_out need a weight of at least two axes, (out, in, "
                         f"...); got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field
