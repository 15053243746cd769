"""The inputs of cases: descriptions of arrays, whose values are drawn from a seed made of words."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

__all__ = ["INTEGERS", "Draw", "seeded"]

INTEGERS = ("labels", "positions", "ignored")  # kinds of draws


@dataclass(frozen=True)
class Draw:
    """One array of a case: its shape, how its values are drawn, and whether its gradient is checked.

    Kinds: ``normal``; ``positive`` (at least 0.5); ``eighths`` (multiples of 1/8 from -1 to 1: sums and
    products are exact, and ties are everywhere); ``halves`` (0.5, 1 or 1.5, exact in every dtype); ``nan``
    (eighths, and one NaN in each plane); ``inf`` (normal, with both infinities); ``lowest`` (all -inf);
    ``large`` (up to 1000, where e^x overflows); ``steady`` (10,000 and deviations of 0.01; in 16 bits 300
    and 0.1); ``constant`` (one number for each channel, about 10,000, in 16 bits 300); ``probabilities`` (sum
    to 1 along axis 1); ``labels`` (integers below `classes`); ``positions`` (integers from ``-classes`` up);
    ``ignored`` (labels, every other one -100); ``bools``. A `mixed` one is float32 where the case runs in 16
    bits, as parameters are in mixed precision.
    """

    shape: tuple[int, ...]
    kind: str = "normal"
    grad: bool = True
    classes: int = 0
    mixed: bool = False

    def values(self, random: np.random.RandomState, dtype: str) -> np.ndarray:
        """The values, in `dtype` where they are floating-point."""
        if self.kind in INTEGERS:
            lowest = -self.classes if self.kind == "positions" else 0
            labels = np.asarray(random.randint(lowest, self.classes, self.shape), dtype=np.int64)
            if self.kind == "ignored":
                labels.reshape(-1)[::2] = -100
            return labels
        if self.kind == "bools":
            return random.randint(0, 2, self.shape).astype(bool)
        if self.kind == "halves":
            values = np.asarray(random.randint(1, 4, self.shape) / 2)
        elif self.kind in ("eighths", "nan"):
            values = np.asarray(random.randint(-8, 9, self.shape) / 8)
        else:
            values = np.asarray(random.standard_normal(self.shape))
        flat = values.reshape(-1)
        if self.kind == "positive":
            values = 0.5 + np.abs(values)
        elif self.kind == "nan":
            plane = max(1, int(np.prod(self.shape[-2:])))
            flat[plane // 2::plane] = np.nan  # in the middle: not the first element of its windows
        elif self.kind == "inf":
            flat[::3], flat[1::7] = np.inf, -np.inf
        elif self.kind == "lowest":
            flat[:] = -np.inf
        elif self.kind == "large":
            values = values * 500
        elif self.kind in ("steady", "constant"):
            size, deviation = (300, 0.1) if dtype in ("float16", "bfloat16") else (1e4, 1e-2)
            if self.kind == "constant":
                deviation = size / 10
                first = values[(slice(1), slice(None), *[slice(1)] * (values.ndim - 2))]
                values = np.broadcast_to(first, self.shape)
            values = size + deviation * values
        elif self.kind == "probabilities":
            values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        return values.astype(self.dtype_beside(dtype))

    def dtype_beside(self, dtype: str) -> str:
        """The dtype of the values where the case runs in `dtype`."""
        return "float32" if self.mixed and dtype in ("float16", "bfloat16") else dtype


def seeded(*words: str) -> np.random.RandomState:
    """A generator whose stream NumPy has frozen, seeded by words."""
    return np.random.RandomState(zlib.crc32("/".join(words).encode()))
