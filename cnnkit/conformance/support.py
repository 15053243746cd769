"""Which op runs where: native, generic, or declined by a kernel table and for which cases; as data, Markdown and rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table

from cnnkit import backends
from cnnkit.conformance.case import Case, expected
from cnnkit.conformance.cases import CASES
from cnnkit.conformance.draws import DrawCase
from cnnkit.conformance.target import Target
from cnnkit.conformance.updates import UpdateCase, drawn
from cnnkit.ops import OPS
from cnnkit.ops.core import Call

__all__ = ["Cell", "Support", "served", "support"]


def served(case: Any, target: Target) -> tuple[str, str]:
    """Who serves a case: ``("native", table)``, ``("declined", tables)`` or ``("generic", "")``.

    The kernels are asked with the case's own call, in the dispatcher's order.
    """
    tables = backends.backend_of(target.asarray(np.zeros(1, np.float32))).resolve()
    fused = len(case.ops) > 1
    kernels = tables.of_chain([OPS[name] for name in case.ops]) if fused else tables.single.get(case.ops[0], ())
    owners = {id(kernel): t.name for t in backends.kernel_tables() if t.available() is True
              for found in t.load().values() for kernel in (found if isinstance(found, tuple) else (found,))}
    asked = []
    for kernel in kernels:
        if ask(kernel, case, target) is not NotImplemented:
            return "native", owners[id(kernel)]
        asked.append(owners[id(kernel)])
    return ("declined", ", ".join(asked)) if asked else ("generic", "")


def ask(kernel: Any, case: Any, target: Target) -> Any:
    """Call one kernel with a case's arrays."""
    if isinstance(case, DrawCase):
        return kernel(case.key, case.shape, None)
    if isinstance(case, UpdateCase):
        params, grads = drawn(case, "float32")
        given = [None if g is None else target.asarray(g) for g in grads[0]]
        return kernel([target.asarray(p) for p in params], given, {}, workspace={}, **case.attrs)
    arrays = target.arrays(expected(case, target.dtypes(case)[0]).inputs)
    attrs = target.attributes(case)
    if len(case.ops) > 1:
        calls = [Call(OPS[name], a, count) for name, a, count in zip(case.ops, attrs, case.arities)]
        return kernel(*arrays, needs=case.needs, calls=calls)
    return kernel(*arrays, needs=case.needs, **attrs[0])


@dataclass
class Cell:
    """One op on one backend: which tables serve how many of its cases, and which cases they decline."""

    tables: list[str] = field(default_factory=list)
    native: int = 0
    declined: list[str] = field(default_factory=list)
    generic: int = 0

    def add(self, case: str, kind: str, tables: str) -> None:
        """Count one case."""
        self.native += kind == "native"
        self.generic += kind == "generic"
        if kind == "declined":
            self.declined.append(case)
        if kind == "native" and tables not in self.tables:
            self.tables.append(tables)

    def __str__(self) -> str:
        if not self.native:
            return "declined" if self.declined else "generic"
        words = ", ".join(self.tables)
        if self.declined:
            few = ", ".join(self.declined[:3]) + (", ..." if len(self.declined) > 3 else "")
            words += f"; declined {len(self.declined)} of {self.native + len(self.declined)}: {few}"
        return words


@dataclass
class Support:
    """The support table: ``cells[op, backend]``."""

    backends: list[str]
    ops: list[str]
    cells: dict[tuple[str, str], Cell]

    def rows(self) -> list[list[str]]:
        """One row per op; an op that nobody serves natively says "generic" for every backend."""
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


def support(names: Sequence[str], cases: Iterable = CASES) -> Support:
    """Ask the kernels of each backend for every case.

    Parameters
    ----------
    names : sequence of str
        Backends and kernel tables, as `run` takes them.
    cases : iterable of Case
        What to ask for; by default every case of an op or a fused key.

    >>> print(support(["numpy-readonly"], CASES[:2]).markdown())
    | op | numpy-readonly |
    | --- | --- |
    | conv2d | generic |
    """
    cells: dict[tuple[str, str], Cell] = {}
    ops: dict[str, None] = {}
    for name in names:
        target = Target(name)
        with target.entered():
            for case in cases:
                op = "+".join(case.ops)
                ops[op] = None
                if not isinstance(case, Case) or target.dtypes(case):
                    cells.setdefault((op, name), Cell()).add(case.name, *served(case, target))
    return Support(list(names), list(ops), cells)
