"""A case of a batch of pixels: uint8 images whose values are looked up in a table for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnkit.conformance.case import GENERIC, NOT_SERVED, Check, Served
from cnnkit.conformance.checks.look_up import LOOK_UP_CHECKS
from cnnkit.conformance.inputs import seeded
from cnnkit.conformance.kernels import who_serves
from cnnkit.conformance.target import Target

__all__ = ["LookUpCase"]


@dataclass(frozen=True, eq=False)
class LookUpCase:
    """One batch of images in host memory, (N, C, H, W) or (N, H, W), and values for each of its channels.

    There is no generic implementation (without a kernel `cnnkit.data` makes batches another way), so a
    backend whose tables have no kernel ``look_up`` passes every such case as ``not served``.
    """

    name: str
    shape: tuple[int, ...]
    kernel: str = "look_up"

    @property
    def id(self) -> str:
        """What reports call it: ``look_up-gray``."""
        return f"{self.kernel}-{self.name}"

    @property
    def checks(self) -> Sequence[Check]:
        """The numbers of NumPy's indexing, to the bit, from any strides."""
        return LOOK_UP_CHECKS

    def drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """The images, and the values, float32 (C, 256); 256 pixels or more hold every pixel value."""
        random, C = seeded(self.id), self.shape[1] if len(self.shape) == 4 else 1
        images = random.permutation(np.arange(np.prod(self.shape, dtype=int)) % 256).astype(np.uint8)
        return images.reshape(self.shape), random.standard_normal((C, 256)).astype(np.float32)

    def served(self, target: Target) -> Served:
        """Which kernel table takes the batch; kernels are given images with an axis of channels."""
        images, values = self.drawn()
        images = images if images.ndim == 4 else images[:, None]
        served = who_serves(self.kernel, target, lambda kernel: kernel(images, values, None))
        return NOT_SERVED if served == GENERIC else served

    def __repr__(self) -> str:
        return f"<case {self.id}>"
