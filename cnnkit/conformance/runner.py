"""Running the checks: on one backend, all cases or those of some ops, into a report; what ``cnnkit check NAME`` prints."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Group
from rich.progress import track
from rich.text import Text

from cnnkit import backends
from cnnkit.backends import Backend
from cnnkit.conformance.case import Case
from cnnkit.conformance.cases import CASES
from cnnkit.conformance.checks import CHECKS
from cnnkit.conformance.draws import DRAW_CASES, DRAW_CHECKS, DrawCase
from cnnkit.conformance.support import served
from cnnkit.conformance.target import Target
from cnnkit.conformance.updates import UPDATE_CASES, UPDATE_CHECKS
from cnnkit.ops import OPS

__all__ = ["EVERY_CASE", "Outcome", "Report", "main_report", "run", "run_case"]

EVERY_CASE = (*CASES, *UPDATE_CASES, *DRAW_CASES)


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    case : str
        The case's name.
    status : str
        ``passed``, ``failed``, or ``gap`` (it fails, as the backend declares).
    failures : tuple of (str, str)
        Name of each check that failed, and what it says.
    served : tuple of str
        As `served` tells it.
    reason : str
        Why the backend declares a gap.
    """

    case: str
    status: str
    failures: tuple[tuple[str, str], ...] = ()
    served: tuple[str, str] = ("generic", "")
    reason: str = ""


@dataclass
class Report:
    """All outcomes of one backend."""

    name: str
    outcomes: list[Outcome] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)  # tables over this backend that `cnnkit.use(name)` leaves out

    def of(self, status: str) -> list[Outcome]:
        """The outcomes with this status."""
        return [o for o in self.outcomes if o.status == status]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.of("failed")

    def lines(self, verbose: bool = False) -> list[str]:
        """The report in words: failures with what each check says, declared gaps, and the totals."""
        lines = []
        for o in self.outcomes:
            if o.status == "failed":
                lines.append(f"FAILED {o.case}")
                lines += [f"    {check}: {message}" for check, message in (o.failures if verbose else o.failures[:2])]
                if len(o.failures) > 2 and not verbose:
                    lines.append(f"    ... and {len(o.failures) - 2} more checks (--verbose shows them)")
            elif o.status == "gap":
                lines.append(f"gap    {o.case}: {o.reason}")
            elif verbose:
                lines.append(f"passed {o.case} [{' '.join(filter(None, o.served))}]")
        lines += [f"untested: the tables have a kernel for {key}, and the kit has no case of it" for key in self.untested]
        lines += [f"not asked: the table {table} serves these arrays too, under its own name: cnnkit check {table}"
                  for table in self.not_asked]
        kinds = {kind: sum(o.served[0] == kind for o in self.outcomes) for kind in ("native", "declined", "generic")}
        lines.append(f"{self.name}: {len(self.of('passed'))} cases passed, {len(self.of('failed'))} failed, "
                     f"{len(self.of('gap'))} declared gaps; " + ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n))
        return lines


def run_case(case: Any, target: Target) -> Outcome:
    """Put one case through all its checks; the target must be entered."""
    checks: Sequence[Callable] = CHECKS if isinstance(case, Case) else DRAW_CHECKS if isinstance(case, DrawCase) else UPDATE_CHECKS
    failures = []
    by = ("generic", "")
    for check in (_who, *checks):
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                by = check(case, target) or by
            except Exception as error:  # a kernel may fail in any way, and the report must go on
                message = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
                failures.append((check.__name__, message))
    if failures and failures[0][0] == "_who":  # the call itself failed, and check_outputs says so too
        failures = failures[1:] or [("check_served", failures[0][1])]
    reason = next((why for pattern, why in target.gaps.items() if fnmatch.fnmatchcase(case.id, pattern)), None)
    if reason is None:
        return Outcome(case.id, "failed" if failures else "passed", tuple(failures), by)
    if failures:
        return Outcome(case.id, "gap", tuple(failures), by, reason)
    return Outcome(case.id, "failed", (("gap", f"it is declared as a gap ({reason}), and passes: remove it"),), by)


def _who(case: Any, target: Target) -> tuple[str, str]:
    return served(case, target)


def run(backend: str | Backend, ops: Sequence[str] | None = None, cases: Iterable = EVERY_CASE,
        progress: Callable[[Sequence], Iterable] = iter) -> Report:
    """Check a backend: every case, or those of some ops.

    Parameters
    ----------
    backend : str or Backend
        A backend, a kernel table, or ``"numpy-readonly"``; a plug-in of a third party needs no change to cnnkit.
    ops : sequence of str, optional
        Only these; a fused key is written ``conv2d+relu``.
    cases : iterable of Case, optional
        Only these cases.
    progress : callable, optional
        Wraps the sequence of cases, to show how far it is.

    Raises
    ------
    ValueError
        If there is no such backend, or no case of one of the ops.
    cnnkit.backends.Unavailable
        If the backend cannot be used here.

    >>> run("numpy", ["relu"]).ok
    True
    """
    cases = list(cases)
    known = dict.fromkeys("+".join(c.ops) for c in cases)
    for op in ops or ():
        if op not in known:
            raise ValueError(f"the conformance kit has no cases of {op!r}; it has {', '.join(known)}")
    target = Target(backend)
    made = target.asarray(np.zeros(1, np.float32))
    registered = any(row.name == target.backend.name for row in backends.list())
    if registered and (owner := backends.backend_of(made)) is not target.backend:
        raise ValueError(f"backend {target.name!r} makes arrays of type {type(made).__module__}.{type(made).__qualname__}, which "
                         f"belong to backend {owner.name!r}: of two backends for one array type only one is asked")
    report = Report(target.name)
    report.not_asked = [table.name for table in backends.kernel_tables(target.backend.name)
                        if table.available() is True and table.name not in (target.name, target.backend.name)]
    with target.entered():
        chosen = [c for c in cases if not ops or "+".join(c.ops) in ops]
        report.outcomes += [run_case(case, target) for case in progress(chosen)]
        if not ops:
            tables = backends.backend_of(target.asarray([0.0])).resolve()
            report.untested = [key for key in tables.single if key not in known]
            served = {kernel for case in cases for kernel in tables.of_chain([OPS[n] for n in case.ops if n in OPS])}
            report.untested += ["+".join(pattern) for pattern, kernel in tables.patterns if kernel not in served]
            for pattern in target.gaps:
                if not any(fnmatch.fnmatchcase(case.id, pattern) for case in cases):
                    report.outcomes.append(Outcome(pattern, "failed", (("gap", "no case is called so: remove the gap"),)))
    return report


def main_report(name: str, ops: Sequence[str] | None = None, verbose: bool = False) -> tuple[Group, int]:
    """What ``cnnkit check NAME`` prints, and its exit status: 0 where nothing failed, else 1."""
    report = run(name, ops, progress=lambda cases: track(cases, description=f"checking {name}", transient=True))
    style = {"FAILED": "bold red", "gap": "yellow", "untested:": "yellow", "not": "yellow"}
    lines = [Text(line, style=style.get(line.split(" ", 1)[0], "")) for line in report.lines(verbose)]
    return Group(*lines), 0 if report.ok else 1
