"""Initialisation of weights from `cnnkit.random`: the same on every backend after the same seed.

Each function draws its own key from ``random.next_key()``, fills a Tensor in place without tape,
and returns it.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from cnnkit import backends, random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.autograd import tensor as tensor_of
from cnnkit.autograd.functions import zeros
from cnnkit.storage.budget import spend

__all__ = ["calculate_gain", "constant", "constant_", "default_", "dirac", "dirac_", "empty", "eye", "eye_",
           "kaiming_normal", "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "normal", "normal_",
           "ones_", "orthogonal", "orthogonal_", "place", "sparse", "sparse_", "trunc_normal_", "uniform",
           "uniform_", "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_"]

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
    bound = gain * math.sqrt(6 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Draw normally with variance ``gain**2 * 2 / (fan_in + fan_out)`` (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_calculate_fan_in_and_fan_out(tensor))))


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


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0,
                  b: float = 2.0) -> Tensor:
    """Draw from a normal distribution whose values beyond `a` and `b` are left out.

    >>> random.seed(0)
    >>> trunc_normal_(empty((100,)), std=9.0).abs().max().item() <= 2
    True
    """
    array = tensor.array
    with no_grad():
        return tensor.replace_(random.truncated_normal(random.next_key(), tensor.shape, mean, std, a, b,
                                                       array.dtype, like=array))


def orthogonal_(tensor: Tensor, gain: float = 1) -> Tensor:
    """Make the rows, each flattened, orthogonal and of norm `gain` (columns, where there are fewer of them).

    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014.
    """
    shape, array = tensor.shape, tensor.array
    if len(shape) < 2:
        raise ValueError(f"orthogonal_ needs a Tensor of at least two axes; got shape {shape}")
    if not tensor.numel():
        return tensor
    drawn = random.orthogonal(random.next_key(), shape[0], math.prod(shape[1:]), gain, array.dtype,
                              like=array)
    with no_grad():
        return tensor.copy_(Tensor(drawn).reshape(shape))


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity: 1 on the diagonal, 0 elsewhere.

    >>> eye_(empty((2, 3)))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if len(tensor.shape) != 2:
        raise ValueError(f"eye_ needs a Tensor of two axes; got shape {tensor.shape}")
    rows, columns = tensor.shape
    return _set(tensor, [[float(i == j) for j in range(columns)] for i in range(rows)])


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's filters pass each channel on as it is: 1 in the middle of the filter of its own.

    Parameters
    ----------
    tensor : Tensor, (out, in, ...) of three, four or five axes
        The filters.
    groups : int
        Groups of output channels, each of which passes the first channels on.

    >>> dirac_(empty((1, 1, 3)))
    tensor([[[0., 1., 0.]]])
    """
    shape = tensor.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_ needs a Tensor of three, four or five axes; got shape {shape}")
    if shape[0] % groups:
        raise ValueError(f"dirac_ got {shape[0]} output channels, which groups={groups} does not divide")
    middle = tuple(n // 2 for n in shape[2:])
    out = shape[0] // groups
    flat = [0.0] * tensor.numel()
    for group in range(groups):
        for channel in range(min(out, shape[1])):
            place = 0
            for index, size in zip((group * out + channel, channel, *middle), shape):
                place = place * size + index
            flat[place] = 1.0
    return _set(tensor, flat)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01) -> Tensor:
    """Draw normally, and set a part of each column, at random places, to 0 (Martens 2010).

    Parameters
    ----------
    tensor : Tensor, (rows, columns)
        A matrix.
    sparsity : float
        The part of each column that is 0, rounded up.
    std : float
        Standard deviation of the others.
    """
    if len(tensor.shape) != 2:
        raise ValueError(f"sparse_ needs a Tensor of two axes; got shape {tensor.shape}")
    rows, columns = tensor.shape
    count = math.ceil(sparsity * rows)
    normal_(tensor, 0, std)
    zeros = [set(random.permutation(random.next_key(), rows)[:count].tolist()) for _ in range(columns)]
    kept = tensor_of([[float(i not in zeros[j]) for j in range(columns)] for i in range(rows)],
                     dtype=tensor.dtype, device=tensor.device)
    with no_grad():
        return tensor.copy_(tensor * kept + 0.0)


def _set(tensor: Tensor, values: list) -> Tensor:
    with no_grad():
        return tensor.copy_(tensor_of(values, dtype=tensor.dtype, device=tensor.device).reshape(tensor.shape))


def default_(weight: Tensor, bias: Tensor | None = None) -> None:
    """PyTorch's initialisation of dense and convolution layers: both uniform, bounded by 1 / sqrt(fan_in)."""
    fan_in = _calculate_fan_in_and_fan_out(weight)[0]
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out'; got {mode!r}")
    fan = _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out: the inputs that affect one output, and the outputs that one input affects.

    Initialisations of one's own import it from PyTorch by this name.
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError("fan_in and fan_out need a weight of at least two axes, (out, in, "
                         f"...); got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _old_name(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function by the name without underscore that it had in PyTorch before."""
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def deprecated(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning,
                      stacklevel=2)
        return function(*args, **kwargs)
    deprecated.__name__ = deprecated.__qualname__ = old
    deprecated.__doc__ = f"The old name of `{new}`."
    return deprecated


uniform: Callable[..., Tensor] = _old_name(uniform_)
normal: Callable[..., Tensor] = _old_name(normal_)
constant: Callable[..., Tensor] = _old_name(constant_)
eye: Callable[..., Tensor] = _old_name(eye_)
dirac: Callable[..., Tensor] = _old_name(dirac_)
xavier_uniform: Callable[..., Tensor] = _old_name(xavier_uniform_)
xavier_normal: Callable[..., Tensor] = _old_name(xavier_normal_)
kaiming_uniform: Callable[..., Tensor] = _old_name(kaiming_uniform_)
kaiming_normal: Callable[..., Tensor] = _old_name(kaiming_normal_)
orthogonal: Callable[..., Tensor] = _old_name(orthogonal_)
sparse: Callable[..., Tensor] = _old_name(sparse_)
