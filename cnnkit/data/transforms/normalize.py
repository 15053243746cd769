"""Normalize: pixels with mean 0 and standard deviation 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnkit.backends import Array, namespace_of
from cnnkit.data.transforms.arrays import batched, of_channels

__all__ = ["Normalize"]


class Normalize:
    """Subtract the mean and divide by the standard deviation, channel by channel; the result is float32.

    One image (C, H, W) or a batch (N, C, H, W); arrays of any library, or Tensors.

    Parameters
    ----------
    mean, std : float or sequence of float
        One value for all channels, or one for each.

    Raises
    ------
    ValueError
        If a standard deviation is not positive, or the image has another number of channels.
    TypeError
        If the image is not floating-point.

    >>> import numpy
    >>> Normalize(mean=(0.5, 0.0), std=(0.25, 1.0))(numpy.ones((2, 1, 1), "float32")).tolist()
    [[[2.0]], [[1.0]]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean, self.std = _numbers(mean), _numbers(std)
        if not all(map(math.isfinite, self.mean)):
            raise ValueError("Normalize() takes finite numbers, one or one per channel; "
                             f"got mean={mean}, std={std}")
        if not all(math.isfinite(number) and number > 0 for number in self.std):
            raise ValueError(f"Normalize(std={std}): images are divided by it, so it must be positive")
        if len({1, len(self.mean), len(self.std)}) > 2:
            raise ValueError(f"Normalize() got {len(self.mean)} means but "
                             f"{len(self.std)} standard deviations")

    def __call__(self, image: Any) -> Any:
        return batched(self, image, self._change)

    def transform_batch(self, images: Any) -> Any:
        """The same: a batch is taken as it is."""
        return self(images)

    def is_pointwise(self) -> bool:
        """Whether each value comes from one pixel's value of one channel; false for a subclass's methods."""
        methods = ("__call__", "transform_batch", "_change")
        return all(getattr(type(self), name) is getattr(Normalize, name) for name in methods)

    def _change(self, x: Array) -> Array:
        xp = namespace_of(x)
        x = xp.astype(x, xp.float32, copy=False)
        mean, std = of_channels(self, self.mean, x), of_channels(self, self.std, x)
        x = x - mean
        x /= std  # in place where the library has that: the array is new
        return x

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


def _numbers(value: Any) -> tuple[float, ...]:
    """A number, or a sequence or array of numbers, as a tuple."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return (float(value),) if isinstance(value, int | float) else tuple(float(number) for number in value)
