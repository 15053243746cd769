"""How far two arrays are apart, in ulp: units in the last place of numbers of their dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, dtype_name

__all__ = ["DIGITS", "NARROW", "Distance", "distance", "host", "limit", "ulp"]

# binary digits behind the leading one, and the exponent of the smallest normal number
DIGITS = {"float16": (10, -14), "bfloat16": (7, -126), "float32": (23, -126), "float64": (52, -1022)}
NARROW = ("float16", "bfloat16")
LIMIT, NARROW_LIMIT = 1024.0, 8.0  # ulp that roundings of sums may well make: 1.2e-4 in float32


@dataclass(frozen=True)
class Distance:
    """Where two arrays part.

    Attributes
    ----------
    element : tuple of int
        The first that is farther apart than allowed; without one, the farthest.
    values : (float, float)
        Of that element.
    ulps, most : float
        How far apart that element is, and the farthest one, in units in the last place (of the arrays' root
        mean square, where the numbers are smaller); infinite where one is NaN, or both are infinite and
        differ.
    beyond, size : int
        How many elements are farther apart than allowed, of how many.
    nonfinite : bool
        Whether the element is NaN or infinite in one of the arrays only.
    """

    element: tuple[int, ...]
    values: tuple[float, float]
    ulps: float
    most: float
    beyond: int
    size: int
    nonfinite: bool


def host(array: Any) -> tuple[np.ndarray, str]:
    """An array's values in float64 on the host, and its own dtype's name."""
    array = array.array if isinstance(array, Tensor) else array
    return np.asarray(backend_of(array).to_numpy(array)).astype(np.float64), dtype_name(array.dtype)


def limit(dtype: str) -> float:
    """How many ulp two right results of one op may be apart.

    >>> limit("float32"), limit("bfloat16")
    (1024.0, 8.0)
    """
    return NARROW_LIMIT if dtype in NARROW else LIMIT


def ulp(values: np.ndarray, dtype: str) -> np.ndarray:
    """The distance of numbers of these sizes to the next number of that dtype.

    >>> ulp(np.asarray([1.0, 3.0, 0.0]), "float32") == 2.0 ** np.asarray([-23, -22, -149])
    array([ True,  True,  True])
    """
    digits, least = DIGITS[dtype]
    with np.errstate(divide="ignore"):
        exponents = np.floor(np.log2(np.abs(values)))
    return np.exp2(np.maximum(exponents, least) - digits)


def distance(a: np.ndarray, b: np.ndarray, dtype: str, allowed: float,
             noise: float = 0.0) -> Distance | None:
    """How far two float64 arrays of one shape are apart, as numbers of `dtype`; ``None`` for empty ones.

    An element's ulp is that of the larger of the two numbers, or of the arrays' root mean square where that
    is larger still: a sum that comes to nearly 0 has lost its last digits in any order.

    Parameters
    ----------
    allowed : float
        So many ulp are no difference.
    noise : float
        Nor is so much, beside.

    >>> found = distance(np.ones(3), np.asarray([1.0, 1.0, 1.0 + 2.0**-20]), "float32", allowed=4)
    >>> found.element, found.ulps, found.beyond
    ((2,), 8.0, 1)
    """
    if not a.size:
        return None
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(finite, np.abs(a - b), np.inf)
        apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
        size = np.sqrt(np.mean(np.maximum(a[finite] ** 2, b[finite] ** 2))) if finite.any() else 0.0
        scale = np.maximum(np.where(finite, np.maximum(np.abs(a), np.abs(b)), 0), size)
        ulps = apart / ulp(scale, dtype)
    beyond = (ulps > allowed) & (apart > noise)
    place = int(np.argmax(beyond)) if beyond.any() else int(np.argmax(ulps))
    element = tuple(int(i) for i in np.unravel_index(place, a.shape))
    nonfinite = bool(~finite[element] & (apart[element] > 0))
    return Distance(element, (float(a[element]), float(b[element])), float(ulps[element]), float(ulps.max()),
                    int(beyond.sum()), a.size, nonfinite)
