"""Norms over all elements of arrays, whose powers neither overflow nor vanish."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cnnkit.backends import backend_of, namespace_of
from cnnkit.ops.dtypes import widen

__all__ = ["ScaledNorm", "scaled_norm"]

Array = Any


class ScaledNorm(NamedTuple):
    """A norm as a product: it may be beyond the dtype's largest number, and both factors within.

    Attributes
    ----------
    scale : array, ()
        About the largest absolute value of all elements, or 1 where nothing has to be scaled.
    relative : array, ()
        The norm of the elements divided by `scale`.
    """

    scale: Array
    relative: Array

    @property
    def value(self) -> Array:
        """The norm itself."""
        return self.scale * self.relative


def scaled_norm(arrays: Sequence[Array], norm_type: float = 2.0) -> ScaledNorm:
    """(sum |x|^p)^(1/p) over the elements of all arrays, of elements divided by the largest.

    Squared as they are, numbers above 1.8e19 are infinite in float32, and those below 3e-23 are 0.

    Parameters
    ----------
    arrays : sequence of array
        Floating-point, of one library; float16 and bfloat16 are taken as float32.
    norm_type : float
        p; ``math.inf`` for the largest absolute value.

    References
    ----------
    Blue, "A portable Fortran program to find the Euclidean norm of a vector", ACM TOMS 4, 1978.

    >>> import numpy as np
    >>> print(round(float(scaled_norm([np.array([6e25, 8e25], np.float32)]).value) / 1e26, 5))
    1.0
    """
    xp = namespace_of(arrays[0])
    filled = [widen(x) for x in arrays if math.prod(x.shape)]
    if not filled:
        zero = xp.sum(widen(arrays[0]))
        return ScaledNorm(xp.ones_like(zero), zero)
    largest: Any = functools.reduce(xp.maximum, [xp.max(xp.abs(x)) for x in filled])
    # in the host's memory a look costs nothing, and the powers of most numbers are within the dtype
    as_they_are = norm_type <= 2 and backend_of(arrays[0]).host and 1e-12 <= largest <= 1e12
    scale = xp.ones_like(largest)
    if not as_they_are:
        limits = xp.finfo(largest.dtype)  # of numbers whose reciprocal is none that libraries take for 0
        scale = xp.clip(largest, 8 * float(limits.smallest_normal), float(limits.max) / 8)
    if norm_type == math.inf:
        return ScaledNorm(scale, largest / scale)
    total = xp.zeros_like(largest)
    for x in filled:
        part = x if as_they_are else x / scale
        total = total + xp.sum(part * part if norm_type == 2 else xp.abs(part) ** norm_type)
    return ScaledNorm(scale, xp.sqrt(total) if norm_type == 2 else total ** (1 / norm_type))
