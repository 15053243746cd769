"""Cases of elementwise ops of one array, all made from the op's formula and its kinks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.reference.formula import Formula
from cnnkit.conformance.tolerance import EXACT, ROUNDING, TRANSCENDENTAL
from cnnkit.ops import OPS

__all__ = ["elementwise", "settings"]

TOLERANCES = {"exact": EXACT, "rounding": ROUNDING, "transcendental": TRANSCENDENTAL}
CLEAR = 1 / 16  # the least distance from a kink at which finite differences are taken


@dataclass(frozen=True)
class Numbers(Draw):
    """Inputs of a function, placed by its kinks, and all in its domain.

    The ``eighths`` are the kinks themselves and numbers around them. The ``normal`` ones are spread three
    times as wide as usual, and keep clear of the kinks.
    """

    kinks: tuple[float, ...] = ()
    formula: Formula | None = None

    def values(self, random: np.random.RandomState, dtype: str) -> np.ndarray:
        """The values in `dtype`."""
        values = super().values(random, "float64")
        if self.kind == "eighths" and self.kinks:
            values = values + random.choice(self.kinks, self.shape)
            values.reshape(-1)[:len(self.kinks)] = self.kinks
        if self.kind == "normal":
            values = 3 * values
            for kink in self.kinks:
                side = np.where(values < kink, -CLEAR, CLEAR)
                values = np.where(np.abs(values - kink) < CLEAR, kink + side, values)
        if self.formula is not None:
            values = self.formula.within(values)
        return np.asarray(values).astype(dtype)


KINDS = (("map", (2, 3, 4, 5), "normal"), ("kinks", (5, 7), "eighths"), ("vector", (7,), "normal"),
         ("scalar", (), "normal"), ("large", (3, 7), "large"), ("nan", (2, 5), "nan"),
         ("infinities", (3, 7), "inf"), ("batch-0", (0, 3, 2, 2), "normal"))


def settings(op: str, formula: Formula) -> list[dict[str, Any]]:
    """The attributes that cases have: those of the formula, with every choice that the op leaves."""
    choices = OPS[op].choices
    combinations = [dict(zip(choices, values)) for values in itertools.product(*choices.values())]
    return [{**attrs, **choice} for attrs in formula.settings for choice in combinations]


def elementwise(formulas: Mapping[str, Formula]) -> Iterator[OpCase]:
    """The cases of every op with a formula: any shape, kinks, large numbers, NaN, infinities, no numbers."""
    for op, formula in formulas.items():
        for n, attrs in enumerate(settings(op, formula)):
            kinks = OPS[op].kinks(attrs)
            for name, shape, kind in KINDS:
                if name in formula.without or (n and kind not in ("normal", "eighths")):
                    continue
                finite = kind not in ("nan", "inf")
                numbers = Numbers(shape, kind, grad=finite, kinks=kinks, formula=formula)
                yield OpCase(op, f"{name}-settings{n + 1}" if n else name, (numbers,), attrs,
                           TOLERANCES[formula.tolerance], half=name == "map",
                           smooth=kind == "normal" or (kind == "eighths" and not kinks))
