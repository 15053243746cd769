"""Which op runs where: native, generic, or declined and for which cases; as data, Markdown and rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from cnnkit.conformance.case import Case, Served
from cnnkit.conformance.cases import EVERY_CASE
from cnnkit.conformance.kernels import written
from cnnkit.conformance.target import Target

__all__ = ["Cell", "Support", "support"]


@dataclass
class Cell:
    """One kernel on one backend: which tables serve how many of its cases, and which cases they decline."""

    tables: list[str] = field(default_factory=list)
    native: int = 0
    declined: list[str] = field(default_factory=list)
    generic: int = 0

    def add(self, case: str, served: Served) -> None:
        """Count one case."""
        self.native += served.how == "native"
        self.generic += served.how == "generic"
        if served.how == "declined":
            self.declined.append(case)
        if served.how == "native" and served.tables not in self.tables:
            self.tables.append(served.tables)

    def __str__(self) -> str:
        if not self.native:
            return "declined" if self.declined else "generic" if self.generic else "not served"
        words = ", ".join(self.tables)
        if self.declined:
            examples = ", ".join(self.declined[:3]) + (", ..." if len(self.declined) > 3 else "")
            words += f"; declined {len(self.declined)} of {self.native + len(self.declined)}: {examples}"
        return words


@dataclass
class Support:
    """The support table: ``cells[op, backend]``."""

    backends: list[str]
    ops: list[str]
    cells: dict[tuple[str, str], Cell]

    def rows(self) -> list[list[str]]:
        """One row for each kernel that has cases: who serves it on each backend."""
        return [[op, *(str(self.cells[op, b]) for b in self.backends)] for op in self.ops]

    def markdown(self) -> str:
        """The table for the documentation."""
        lines = [["op", *self.backends], ["---"] * (1 + len(self.backends)), *self.rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def table(self) -> Table:
        """The table for the terminal."""
        table = Table("op", *self.backends, box=None, pad_edge=False)
        for row in self.rows():
            table.add_row(*row)
        return table


def support(names: Sequence[str], cases: Iterable[Case] = EVERY_CASE) -> Support:
    """Ask the kernels of each backend for every case.

    Parameters
    ----------
    names : sequence of str
        Backends and kernel tables, as `run` takes them.
    cases : iterable of Case
        What to ask for; by default all that the kit has.

    >>> print(support(["numpy-readonly"], EVERY_CASE[:2]).markdown())
    | op | numpy-readonly |
    | --- | --- |
    | conv | generic |
    """
    cells: dict[tuple[str, str], Cell] = {}
    ops: dict[str, None] = {}
    for name in names:
        target = Target(name)
        with target.entered():
            for case in cases:
                op = written(case.kernel)
                ops[op] = None
                cells.setdefault((op, name), Cell()).add(case.id.removeprefix(f"{op}-"), case.served(target))
    return Support(list(names), list(ops), cells)
