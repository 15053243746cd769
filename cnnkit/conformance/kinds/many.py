"""A case of sums in sixteen bits: a call that adds up thousands of float16 or bfloat16 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.conformance.case import Check, Served
from cnnkit.conformance.checks.calling import calls_of
from cnnkit.conformance.checks.many import MANY_CHECKS, arrays_in
from cnnkit.conformance.kernels import who_serves
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.target import Target

__all__ = ["ManyCase"]


class ManyCase(OpCase):
    """One call over so many numbers that a sum in 16 bits would stop growing: at 2048 or 256 ones.

    The truth is the generic op's result in float64. Backends without float16 and bfloat16 pass unseen.
    """

    @property
    def checks(self) -> Sequence[Check]:
        """Outputs and gradients are those of float64, rounded once."""
        return MANY_CHECKS

    def served(self, target: Target) -> Served:
        """Which kernel table takes the call, in the first of the 16-bit dtypes that the backend has."""
        def call(kernel: Any) -> Any:
            arrays = arrays_in(self, target, next(iter(target.narrow), "float32"))
            attrs = target.attributes(self)
            if isinstance(self.kernel, tuple):
                return kernel(*arrays, needs=self.needs, calls=calls_of(self, attrs))
            return kernel(*arrays, needs=self.needs, **attrs[0])
        return who_serves(self.kernel, target, call)
