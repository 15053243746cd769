"""A case of an optimizer's update: some steps, three unless it says so, on some parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.conformance.case import Check, Served
from cnnkit.conformance.checks.update import UPDATE_CHECKS
from cnnkit.conformance.inputs import seeded
from cnnkit.conformance.kernels import who_serves
from cnnkit.conformance.target import Target
from cnnkit.conformance.tolerance import SUMS, Tolerance

__all__ = ["UpdateCase"]

SHAPES = ((3, 4), (5,), (2, 3, 1, 1), (), (0, 2))
STEPS = 3


@dataclass(frozen=True, eq=False)
class UpdateCase:
    """Steps of an optimizer on some parameters; the second one has no gradient at the first step."""

    kernel: str
    name: str
    attrs: Mapping[str, Any]
    tolerance: Tolerance = SUMS
    shapes: tuple[tuple[int, ...], ...] = SHAPES
    steps: int = STEPS

    @property
    def id(self) -> str:
        """What reports call it: ``sgd-momentum``."""
        return f"{self.kernel}-{self.name}"

    @property
    def checks(self) -> Sequence[Check]:
        """The steps of the loops, and what may be written."""
        return UPDATE_CHECKS

    def drawn(self, dtype: str) -> tuple[list[Any], list[Any]]:
        """The parameters, and the gradients of each step."""
        random = seeded(self.id)
        params = [np.asarray(random.standard_normal(s)).astype(dtype) for s in self.shapes]
        grads: list = [[np.asarray(random.standard_normal(s) / (1 + step)).astype(dtype) for s in self.shapes]
                       for step in range(self.steps)]
        grads[0][1] = None
        return params, grads

    def served(self, target: Target) -> Served:
        """Which kernel table takes the first step in float32."""
        def call(kernel: Any) -> Any:
            params, grads = self.drawn("float32")
            gradients = [None if g is None else target.asarray(g) for g in grads[0]]
            return kernel([target.asarray(p) for p in params], gradients, {}, workspace={}, **self.attrs)
        return who_serves(self.kernel, target, call)

    def __repr__(self) -> str:
        return f"<case {self.id}>"
