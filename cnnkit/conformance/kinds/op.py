"""A case of an op or of a fused chain of ops: one call as plain data.

Inputs are descriptions (`Draw`), not arrays: they are drawn with a seed made of the case's name, in the dtype
of the run, so that a case is the same everywhere and every backend starts from the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnkit.conformance.case import Check, Key, Served
from cnnkit.conformance.checks import OP_CHECKS
from cnnkit.conformance.checks.calling import call_kernel
from cnnkit.conformance.inputs import INTEGERS, Draw
from cnnkit.conformance.kernels import who_serves, written
from cnnkit.conformance.target import Target
from cnnkit.conformance.tolerance import ROUNDING, Tolerance

__all__ = ["OpCase"]


@dataclass(frozen=True, eq=False)
class OpCase:
    """One call that every backend must get right.

    Parameters
    ----------
    op : str or tuple of str
        The op, or a fused kernel's key.
    name : str
        What is special about the call, as words joined by hyphens.
    inputs : tuple of Draw, number or None
        What the op takes; for a fused key, op by op without the results that go from one to the next.
    attrs : dict or tuple of dict
        The op's attributes; for a fused key, one for each op. A dtype is its name, an index array a NumPy
        array.
    tolerance : Tolerance
        Of outputs and gradients, in float32.
    counts : tuple of int
        For a fused key, how many of the inputs each op takes.
    half : bool
        Run the case in float16 too, where the backend has it.
    smooth : bool
        Whether finite differences make sense here.
    channels_last : bool
        Give all inputs, and dy, with their second axis last in memory, for kernels that decline every other
        order.
    """

    op: str | tuple[str, ...]
    name: str
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any] | tuple[Mapping[str, Any], ...] = field(default_factory=dict)
    tolerance: Tolerance = ROUNDING
    counts: tuple[int, ...] = ()
    half: bool = False
    smooth: bool = True
    channels_last: bool = False

    @property
    def kernel(self) -> Key:
        """The op, or the fused key."""
        return self.op

    @property
    def ops(self) -> tuple[str, ...]:
        """The ops that are called, in order."""
        return (self.op,) if isinstance(self.op, str) else self.op

    @property
    def attributes(self) -> tuple[Mapping[str, Any], ...]:
        """One mapping of attributes per op."""
        return (self.attrs,) if isinstance(self.attrs, Mapping) else self.attrs

    @property
    def arities(self) -> tuple[int, ...]:
        """How many inputs each op takes from outside."""
        return self.counts or (len(self.inputs),)

    @property
    def id(self) -> str:
        """What reports call it: ``conv2d-groups``, ``conv2d+relu-plain``."""
        return f"{written(self.op)}-{self.name}"

    @property
    def needs(self) -> tuple[bool, ...]:
        """Which inputs have gradients to check."""
        return tuple(isinstance(i, Draw) and i.grad and i.kind not in (*INTEGERS, "bools")
                     for i in self.inputs)

    @property
    def checks(self) -> Sequence[Check]:
        """Values, gradients, and what every op promises of its arrays."""
        return OP_CHECKS

    def served(self, target: Target) -> Served:
        """Which kernel table takes the call, in the first of the case's dtypes."""
        return who_serves(self.kernel, target, lambda kernel: call_kernel(kernel, self, target))

    def __repr__(self) -> str:
        return f"<case {self.id}>"
