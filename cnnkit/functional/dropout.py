"""Dropout on Tensors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import cnnkit.ops.dropout as ops
from cnnkit import backends, random
from cnnkit.autograd import Tensor, apply, apply_to
from cnnkit.autograd.in_place import change
from cnnkit.autograd.tape import mode
from cnnkit.foreign import device_of

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
           "stochastic_depth"]

SELU_FLOOR = 1.7580993408473766  # what SELU gives far below 0, without its sign


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
    _check(p)
    if not training or p == 0:
        return input
    return apply_to(ops.dropout, input, p=p, key=random.next_key(), inplace=inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (N, C, L) or (C, L); parameters as there (Tompson et al. 2015).

    >>> import cnnkit
    >>> cnnkit.random.seed(0)
    >>> dropout1d(cnnkit.ones(1, 3, 2))
    tensor([[[2., 2.],
             [0., 0.],
             [2., 2.]]])
    """
    _check(p)
    if input.ndim not in (2, 3):
        raise ValueError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input")
    return _channels(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of images (N, C, H, W); parameters as there (Tompson et al. 2015).

    An input of three axes is taken for (N, C, L), as PyTorch does.
    """
    _check(p)
    if input.ndim not in (3, 4):
        warnings.warn(f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and "
                      "will result in an error in a future release.", stacklevel=2)
    return _channels(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (N, C, D, H, W) or (C, D, H, W); parameters as there."""
    _check(p)
    if input.ndim not in (4, 5):
        warnings.warn(f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and "
                      "will result in an error in a future release.", stacklevel=2)
    return _channels(input, p, training, inplace, batched=input.ndim != 4)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1: what is dropped becomes SELU's lowest value.

    Parameters
    ----------
    input, p, training, inplace
        As in `dropout`.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.

    Examples
    --------
    >>> import cnnkit
    >>> y = alpha_dropout(cnnkit.zeros(10000), 0.3, training=True)
    >>> abs(y.mean().item()) < 0.05
    True
    """
    return _alpha(input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False,
                          inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, ...)."""
    return _alpha(input, p, training, inplace, (*input.shape[:2], *(1,) * (input.ndim - 2)))


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Drop a residual branch's result with probability `p`, for each sample or for all; torchvision's.

    Parameters
    ----------
    input : Tensor, (N, ...)
        The branch's result, before it is added.
    p : float
        Probability of a zero, from 0 to 1; the others are divided by 1 - `p`.
    mode : {"row", "batch"}
        Whether each sample is drawn for, or all at once.
    training : bool
        Where it is false, the input is returned as it is.

    References
    ----------
    Huang, Sun, Liu, Sedra and Weinberger, "Deep networks with stochastic depth", 2016.

    Examples
    --------
    >>> import cnnkit
    >>> cnnkit.random.seed(0)
    >>> stochastic_depth(cnnkit.ones(3, 1), 0.5, "row").flatten()
    tensor([2., 0., 2.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0:
        return input
    return input * _kept(input, p, (input.shape[0] if mode == "row" else 1, *(1,) * (input.ndim - 1)))


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _kept(input: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """What `dropout` leaves of ones: 1 / (1 - p) where something is kept, and 0 elsewhere."""
    array = input.array
    with backends.on(array):
        ones = Tensor(backends.namespace_of(array).ones(shape, dtype=array.dtype, device=device_of(array)))
    if mode.recorder is not None:
        mode.recorder.constant(ones.array)
    return apply(ops.dropout, ones, p=p, key=random.next_key())


def _applied(function: Callable[[Tensor], Tensor], input: Tensor, inplace: bool) -> Tensor:
    return change(function, input) if inplace else function(input)


def _channels(input: Tensor, p: float, training: bool, inplace: bool, batched: bool = True) -> Tensor:
    if not training or p == 0:
        return input
    axes = 2 if batched else 1
    kept = _kept(input, p, (*input.shape[:axes], *(1,) * (input.ndim - axes)))
    return _applied(lambda x: x * kept, input, inplace)


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    _check(p)
    if not training or p == 0:
        return input
    if p == 1:
        return _applied(lambda x: x * 0.0, input, inplace)
    a = 1 / math.sqrt((SELU_FLOOR**2 * p + 1) * (1 - p))
    kept = (_kept(input, p, shape) > 0).to(dtype=input.dtype)
    offset = (kept - 1) * (SELU_FLOOR * a) + SELU_FLOOR * a * p
    return _applied(lambda x: x * (kept * a) + offset, input, inplace)
