"""What `compare` returns: where two sides part and why, and how far apart everything else is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from cnnkit.comparing.distance import Distance

__all__ = ["Comparison", "Difference"]

SHOWN = 5  # how many of the farthest values below the tolerance are listed


@dataclass(frozen=True, kw_only=True)
class Difference(Distance):
    """One value that both sides have computed, and how far apart they are.

    Attributes
    ----------
    element, values, ulps, most, beyond, size, nonfinite
        As those of a `Distance`; `values` are the first and the second side's.
    step : int
        From 1 on; 0 is before the first step.
    layer : str
        The modules of the kernel's call, as `explain` names them; of a parameter, its name.
    what : str
        ``"output"``, ``"gradient of weight"``, ``"value"``, or ``"update"``: what an update has added.
    dtype : str
    kernels : (str, str)
        ``table: function`` on each side; empty for parameters.
    cause : str
        ``"wrong kernel"``, ``"NaN"``, ``"16-bit sum"``, ``"Winograd"``, ``"order of sums"``, ``"rounding"``,
        ``"cancellation"``, ``"kink"``, ``"weights"``, ``"inputs"`` or ``"unknown"``; empty within the
        tolerance.
    explanation : str
        The cause in a sentence, with the figures.
    """

    step: int
    layer: str
    what: str
    dtype: str
    kernels: tuple[str, str] = ("", "")
    cause: str = ""
    explanation: str = ""

    def lines(self, sides: tuple[str, str]) -> list[str]:
        """The difference as text."""
        when = "before the first step" if not self.step else f"in step {self.step}"
        way = ", on the way back" if self.what.startswith("gradient") else ""
        by = [f" ({kernel})" if kernel else "" for kernel in self.kernels]
        ulps = ("NaN or infinity" if math.isinf(self.ulps)
                else f"{_number(self.ulps)} ulp apart ({self.dtype})")
        return [f"{when}{way}: {self.layer}, {self.what}",
                f"    element {self.element}: {self.values[0]:.9g} by {sides[0]}{by[0]}",
                f"    {' ' * len(f'element {self.element}:')} {self.values[1]:.9g} by {sides[1]}{by[1]}",
                f"    {ulps}; {self.beyond:,} of {self.size:,} elements are beyond the tolerance",
                f"    likely cause: {self.cause}: {self.explanation}"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` returns; ``print`` shows it.

    Attributes
    ----------
    model : str
        The model's class.
    sides : (str, str)
    steps : int
        How many steps of training were made, forward, back and update.
    compared : int
        How many arrays were compared.
    tolerance : float or None
        In ulp; ``None`` for what roundings may make.
    parted : Difference or None
        The first value that is beyond the tolerance, in the order in which it is computed.
    explained : tuple of Difference
        Values beyond the usual tolerance for which each side's kernels are right by what they were given: at
        a ReLU's 0 or at equal maxima, or where all digits cancel.
    rows : tuple of Difference
        For each value, its farthest step, in the order in which they are computed.
    """

    model: str
    sides: tuple[str, str]
    steps: int
    compared: int
    tolerance: float | None
    parted: Difference | None
    explained: tuple[Difference, ...]
    rows: tuple[Difference, ...]

    @property
    def agree(self) -> bool:
        """Whether nothing is beyond the tolerance."""
        return self.parted is None

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, numbers and strings; what JSON has no number for is text."""
        plain = {name: getattr(self, name) for name in ("model", "sides", "steps", "compared", "tolerance")}
        return {**plain, "agree": self.agree, "parted": self.parted and _plain(asdict(self.parted)),
                "explained": [_plain(asdict(row)) for row in self.explained],
                "rows": [_plain(asdict(row)) for row in self.rows]}

    def __str__(self) -> str:
        first, second = self.sides
        tolerance = "what rounding may make" if self.tolerance is None else f"{self.tolerance:g} ulp"
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        lines = [f"{self.model} on {first} and on {second}: {steps} of training, {self.compared:,} arrays "
                 f"compared; tolerance: {tolerance}", ""]
        if self.parted is None:
            lines.append(f"{first} and {second} agree.")
        else:
            begin, *rest = self.parted.lines(self.sides)
            lines += [f"{first} and {second} part {begin}", *rest]
        if self.explained:
            lines += ["", f"Beyond the usual tolerance, and right by what the kernels were given: "
                          f"{len(self.explained)}; the first is"]
            lines += self.explained[0].lines(self.sides)
        farthest = sorted((row for row in self.rows if row.most > 0), key=lambda row: -row.most)[:SHOWN]
        lines += ["", "Farthest apart:" if farthest else "All numbers are equal to the bit."]
        width = max((len(f"{row.layer}, {row.what}") for row in farthest), default=0)
        lines += [f"    {f'{row.layer}, {row.what}':{width}}  {_number(row.most):>12} ulp  (step {row.step})"
                  for row in farthest]
        return "\n".join(lines)

    __repr__ = __str__


def _number(value: float) -> str:
    return "infinitely many" if math.isinf(value) else f"{value:,.{1 if value < 100 else 0}f}"


def _plain(value: Any) -> Any:
    """Dicts and lists as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
