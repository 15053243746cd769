"""The table of measured constants beside the shipped ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DISTURBED, NONE = "disturbed", "none"


@dataclass(frozen=True)
class Row:
    """A constant's name, the value that is shipped, and what was measured; or why there is no such value."""

    name: str
    shipped: float
    measured: float | str


def table(machine: str, rows: Sequence[Row]) -> str:
    """A heading that names the machine, and a line for each constant.

    >>> print(table("a processor, avx2, 2 threads", [Row("REORDER_COST", 2, 2.34)]))
    a processor, avx2, 2 threads
    <BLANKLINE>
    | constant of cnnkit_cpu.choice | shipped | measured |
    |---|---|---|
    | REORDER_COST | 2 | 2.3 |
    """
    lines = [machine, "", "| constant of cnnkit_cpu.choice | shipped | measured |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.shipped} | {_formatted(row.measured)} |" for row in rows]
    return "\n".join(lines)


def _formatted(value: float | str) -> str:
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.2f}" if abs(value) < 2 else f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
