"""Differences of neighbours along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnkit.autograd.functions.joining import cat
from cnnkit.autograd.functions.parts import narrow
from cnnkit.autograd.value import Value

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["diff"]


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
         append: Tensor | None = None) -> Tensor:
    """Each element minus the one before it along `dim`, `n` times; of bools, whether they differ.

    Parameters
    ----------
    input : Tensor
        At least one axis.
    n : int
        How often; with 0 the Tensor as it is.
    prepend, append : Tensor, optional
        What stands before and after it along `dim`, of the same shape otherwise.

    Raises
    ------
    RuntimeError
        If there is no axis, or `n` is below 0.

    >>> import cnnkit
    >>> cnnkit.diff(cnnkit.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff needs a Tensor with at least one axis; got one without")
    if n < 0:
        raise RuntimeError(f"diff takes an order n of 0 or more; got {n}")
    if n == 0:
        return input
    parts = [part for part in (prepend, input, append) if part is not None]
    x = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        length = max(x.shape[dim] - 1, 0)
        after, before = narrow(x, dim, min(1, x.shape[dim]), length), narrow(x, dim, 0, length)
        x = after ^ before if str(x.dtype) == "bool" else after - before
    return x


class DifferenceMethods(Value):
    """Differences, as a Tensor's method."""

    __slots__ = ()

    diff = diff
