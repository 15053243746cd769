"""Gradient clipping, by the norm of all gradients together or by value."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cnnkit.autograd import Tensor, tensor
from cnnkit.backends import namespace_of, on
from cnnkit.ops.dtypes import widen
from cnnkit.ops.vector_norm import scaled_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients by one factor, so that their norm, taken over all elements, is at most `max_norm`.

    The factor is ``min(1, max_norm / (norm + 1e-6))``, as PyTorch's; it stays on the device. The norm is made
    of gradients divided by the largest, so that no square overflows or vanishes. If a gradient is infinite,
    the factor is 0, which makes it NaN and the others 0; if one is NaN, so are all.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        The parameters; those without a gradient are ignored.
    max_norm : float
        The largest norm.
    norm_type : float
        2 for the Euclidean norm; ``math.inf`` for the largest absolute value.
    error_if_nonfinite : bool
        Raise if the norm is NaN or infinite; this waits for the device.

    Returns
    -------
    Tensor, ()
        The norm before clipping; in float32 for float16 and bfloat16.

    Raises
    ------
    RuntimeError
        With `error_if_nonfinite`, if the norm is not finite.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([3.0, 4.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> clip_grad_norm_(p, 1.0).item()
    10.0
    >>> p.grad.numpy().round(3)
    array([0.6, 0.8], dtype=float32)
    """
    grads = _gradients(parameters)
    if not grads:
        return tensor(0.0)
    with on(grads[0].array):
        return _clip_norm(grads, max_norm, norm_type, error_if_nonfinite)


def _clip_norm(grads: list[Tensor], max_norm: float, norm_type: float, error_if_nonfinite: bool) -> Tensor:
    xp, scaled = namespace_of(grads[0].array), scaled_norm([grad.array for grad in grads], norm_type)
    norm = Tensor(xp.asarray(scaled.value))
    if error_if_nonfinite and not math.isfinite(norm.item()):
        raise RuntimeError(f"the gradients' norm is {norm.item()}, so they cannot be clipped; "
                           "error_if_nonfinite=False scales them all the same")
    # the norm of finite gradients may be beyond the largest number
    finite = xp.isfinite(norm.array)
    divisor = xp.where(finite, norm.array + 1e-6, scaled.relative)
    factor = max_norm / divisor / xp.where(finite, xp.ones_like(divisor), scaled.scale)
    factor = xp.where(factor > 1, xp.ones_like(factor), factor)
    for grad in grads:
        array = grad.array
        grad.replace_(xp.astype(widen(array) * factor, array.dtype, copy=False))
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to -`clip_value` ... `clip_value`.

    >>> import cnnkit
    >>> p = cnnkit.tensor([3.0, -0.1], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> clip_grad_value_(p, 1.0)
    >>> p.grad
    tensor([ 1. , -0.2])
    """
    for grad in _gradients(parameters):
        array = grad.array
        with on(array):
            grad.replace_(namespace_of(array).clip(array, -float(clip_value), float(clip_value)))


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in ((parameters,) if isinstance(parameters, Tensor) else parameters)
            if p.grad is not None]
