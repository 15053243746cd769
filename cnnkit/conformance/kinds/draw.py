"""A case of random bits: one draw from a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnkit.conformance.case import Check, Served
from cnnkit.conformance.checks.draw import DRAW_CHECKS
from cnnkit.conformance.kernels import who_serves
from cnnkit.conformance.target import Target

__all__ = ["DrawCase"]


@dataclass(frozen=True, eq=False)
class DrawCase:
    """One draw from a key."""

    name: str
    key: tuple[int, int]
    shape: tuple[int, ...]
    kernel: str = "random_bits"

    @property
    def id(self) -> str:
        """What reports call it: ``random_bits-map``."""
        return f"{self.kernel}-{self.name}"

    @property
    def checks(self) -> Sequence[Check]:
        """Every bit is Threefry's."""
        return DRAW_CHECKS

    def served(self, target: Target) -> Served:
        """Which kernel table draws it."""
        return who_serves(self.kernel, target, lambda kernel: kernel(self.key, self.shape, None))

    def __repr__(self) -> str:
        return f"<case {self.id}>"
