"""A case: one call of an op (or of a fused chain of ops) as plain data, and the results that it must give.

Inputs are descriptions (`Draw`), not arrays: they are drawn with a seed made of the case's name, in the dtype of the run,
so that a case is the same everywhere and every backend starts from the same bits.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnkit.conformance.reference import evaluate
from cnnkit.ops.precision import is_floating

__all__ = ["EXACT", "ROUNDING", "SUMS", "TRANSCENDENTAL", "Case", "Draw", "Expected", "Tolerance", "expected"]

Array = np.ndarray


@dataclass(frozen=True)
class Draw:
    """One array of a case: its shape, how its values are drawn, and whether its gradient is checked.

    Kinds: ``normal``; ``positive`` (at least 0.5); ``eighths`` (multiples of 1/8 from -1 to 1: sums and products are exact,
    and ties are everywhere); ``nan`` (eighths, and one NaN in each plane); ``inf`` (normal, with both infinities);
    ``lowest`` (all -inf); ``large`` (up to 1000, where e^x overflows); ``probabilities`` (sum to 1 along axis 1);
    ``labels`` (integers below `classes`); ``ignored`` (labels, every other one -100); ``bools``.
    """

    shape: tuple[int, ...]
    kind: str = "normal"
    grad: bool = True
    classes: int = 0

    def values(self, random: np.random.RandomState, dtype: str) -> Array:
        """The values, in `dtype` where they are floating-point."""
        if self.kind in ("labels", "ignored"):
            labels = np.asarray(random.randint(0, self.classes, self.shape), dtype=np.int64)
            if self.kind == "ignored":
                labels.reshape(-1)[::2] = -100
            return labels
        if self.kind == "bools":
            return random.randint(0, 2, self.shape).astype(bool)
        if self.kind in ("eighths", "nan"):
            values = np.asarray(random.randint(-8, 9, self.shape) / 8)
        else:
            values = np.asarray(random.standard_normal(self.shape))
        flat = values.reshape(-1)
        if self.kind == "positive":
            values = 0.5 + np.abs(values)
        elif self.kind == "nan":
            plane = max(1, int(np.prod(self.shape[-2:])))
            flat[plane // 2::plane] = np.nan  # in the middle: not the first element of the windows that hold it
        elif self.kind == "inf":
            flat[::3], flat[1::7] = np.inf, -np.inf
        elif self.kind == "lowest":
            flat[:] = -np.inf
        elif self.kind == "large":
            values = values * 500
        elif self.kind == "probabilities":
            values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        return values.astype(dtype)


@dataclass(frozen=True)
class Tolerance:
    """How far a float32 result may be from the loops, and why; other dtypes scale with their precision."""

    rtol: float
    atol: float
    reason: str

    def at(self, dtype: str) -> tuple[float, float]:
        """(rtol, atol) for a dtype; float16 accumulates in float32, so only its storage costs precision."""
        if not self.rtol:
            return 0.0, 0.0
        if dtype in ("float16", "bfloat16"):
            step = 2.0**-10 if dtype == "float16" else 2.0**-7
            return 4 * step, 4 * step
        scale = 1e-7 if dtype == "float64" else 1.0
        return self.rtol * scale, self.atol * scale


EXACT = Tolerance(0.0, 0.0, "nothing is rounded: values are moved, chosen or compared, or their sums are exact")
ROUNDING = Tolerance(2e-6, 1e-6, "a few roundings, whose order is free")
TRANSCENDENTAL = Tolerance(1e-5, 2e-6, "libraries' exp, log and sqrt differ in the last bits")
SUMS = Tolerance(2e-5, 2e-5, "sums of some hundred products, in any order")


@dataclass(frozen=True, eq=False)
class Case:
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
        The op's attributes; for a fused key, one for each op. A dtype is its name, an index array a NumPy array.
    tolerance : Tolerance
        Of outputs and gradients, in float32.
    counts : tuple of int
        For a fused key, how many of the inputs each op takes.
    half : bool
        Run the case in float16 too, where the backend has it.
    smooth : bool
        Whether finite differences make sense here.
    """

    op: str | tuple[str, ...]
    name: str
    inputs: tuple
    attrs: Mapping[str, Any] | tuple[Mapping[str, Any], ...] = field(default_factory=dict)
    tolerance: Tolerance = ROUNDING
    counts: tuple[int, ...] = ()
    half: bool = False
    smooth: bool = True

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
        return f"{'+'.join(self.ops)}-{self.name}"

    @property
    def needs(self) -> tuple[bool, ...]:
        """Which inputs have gradients to check."""
        return tuple(isinstance(i, Draw) and i.grad and i.kind not in ("labels", "ignored", "bools") for i in self.inputs)

    def __repr__(self) -> str:
        return f"<case {self.id}>"


@dataclass(frozen=True)
class Expected:
    """What goes into a case and what must come out, by the loops; NumPy arrays, results in float64."""

    inputs: tuple
    dy: Array
    outputs: tuple
    gradients: tuple


def _double(value: Any) -> Any:
    return value.astype(np.float64) if isinstance(value, np.ndarray) and is_floating(value.dtype) else value


def _random(*words: str) -> np.random.RandomState:
    """A generator whose stream NumPy has frozen, seeded by words."""
    return np.random.RandomState(zlib.crc32("/".join(words).encode()))


@functools.cache
def expected(case: Case, dtype: str) -> Expected:
    """Draw a case's inputs in `dtype`, and run the reference loops on exactly these values."""
    random = _random(case.id)
    inputs = tuple(i.values(random, dtype) if isinstance(i, Draw) else i for i in case.inputs)

    def make_dy(shape: tuple[int, ...]) -> Array:
        kind = "normal" if case.tolerance.rtol else "eighths"
        return _double(Draw(tuple(shape), kind).values(_random(case.id, "dy"), dtype))
    outputs, dy, gradients = evaluate(case.ops, case.attributes, case.arities, [_double(i) for i in inputs], make_dy)
    return Expected(inputs, dy.astype(dtype), outputs, gradients)
