"""Running the checks on one backend, into a report; what ``cnnkit check NAME`` prints."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from rich.console import Group
from rich.progress import track
from rich.text import Text

from cnnkit import backends
from cnnkit.backends import Backend, KernelTable
from cnnkit.conformance.case import GENERIC, Case, Key
from cnnkit.conformance.cases import EVERY_CASE
from cnnkit.conformance.kernels import keys, matches, without_case, written
from cnnkit.conformance.report import Outcome, Report
from cnnkit.conformance.target import Target

__all__ = ["main_report", "run", "run_case"]


def run_case(case: Case, target: Target) -> Outcome:
    """Put one case through all its checks; the target must be entered.

    An error of any kind fails the check that raised it, and so does a RuntimeWarning of the arithmetic: a
    kernel may fail in any way, and the report must go on.
    """
    failures, served = [], GENERIC
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            served = case.served(target)
        except Exception as error:
            unserved = [("served", _message(error))]
        else:
            unserved = []
        for check in case.checks:
            try:
                check(case, target)
            except Exception as error:
                failures.append((check.__name__, _message(error)))
    failures = failures or unserved  # an error of the call fails the checks too, and their messages say more
    reason = next((why for pattern, why in target.gaps.items() if fnmatch.fnmatchcase(case.id, pattern)),
                  None)
    if reason is None:
        return Outcome(case.id, "failed" if failures else "passed", tuple(failures), served)
    if failures:
        return Outcome(case.id, "gap", tuple(failures), served, reason)
    passes = f"it is declared as a gap ({reason}), and passes: remove it"
    return Outcome(case.id, "failed", (("gap", passes),), served)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"


def run(backend: str | Backend, ops: Sequence[str] | None = None, cases: Iterable[Case] = EVERY_CASE,
        progress: Callable[[Sequence[Any]], Iterable[Any]] = iter) -> Report:
    """Check a backend: every case, or those of some ops.

    Parameters
    ----------
    backend : str or Backend
        A backend, a kernel table, or ``"numpy-readonly"``; a plug-in of a third party needs no change to
        cnnkit.
    ops : sequence of str, optional
        Only these; a fused key is written ``conv2d+relu``.
    cases : iterable of Case, optional
        These instead of all that the kit has; they may be somebody else's.
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
    kernels = dict.fromkeys(written(case.kernel) for case in cases)
    for op in ops or ():
        if op not in kernels:
            raise ValueError(f"the conformance kit has no cases of {op!r}; it has {', '.join(kernels)}")
    target = Target(backend)
    array = target.asarray(np.zeros(1, np.float32))
    registered = any(row.name == target.backend.name for row in backends.list())
    if registered and (owner := backends.backend_of(array)) is not target.backend:
        kind = f"{type(array).__module__}.{type(array).__qualname__}"
        raise ValueError(f"backend {target.name!r} makes arrays of type {kind}, which belong to backend "
                         f"{owner.name!r}: of two backends for one array type only one is asked")
    report = Report(target.name)
    report.not_asked = [table.name for table in backends.kernel_tables(target.backend.name)
                        if table.available() is True and table.name not in (target.name, target.backend.name)]
    with target.entered():
        selected = [case for case in cases if not ops or written(case.kernel) in ops]
        report.outcomes += [run_case(case, target) for case in progress(selected)]
        report.idle = [written(key) for table in _checked_tables(target) for key in table.load()
                       if _declines_all(table.name, key, selected, report.outcomes)]
        if not ops:
            report.untested = [written(key) for key in without_case(keys(target.tables), cases)]
            for pattern in target.gaps:
                if not any(fnmatch.fnmatchcase(case.id, pattern) for case in cases):
                    report.outcomes.append(Outcome(pattern, "failed",
                                                   (("gap", "no case is called so: remove the gap"),)))
    return report


def _checked_tables(target: Target) -> list[KernelTable]:
    """The table that is checked; of a backend that has none of its name, all that serve it."""
    return [table for table in target.kernel_tables if table.name == target.name] or [*target.kernel_tables]


def _declines_all(table: str, key: Key, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> bool:
    """Whether there are cases for the kernels under a table's key, and none of these served one."""
    served = [outcome.served for case, outcome in zip(cases, outcomes) if matches(key, case.kernel)]
    return bool(served) and ("native", table) not in served


def main_report(name: str, ops: Sequence[str] | None = None, verbose: bool = False) -> tuple[Group, int]:
    """What ``cnnkit check NAME`` prints, and its exit status: 0 where nothing failed, else 1."""
    report = run(name, ops, progress=lambda cases: track(cases, description=f"checking {name}",
                                                         transient=True))
    style = {"FAILED": "bold red",
             **dict.fromkeys(("gap", "untested:", "unseen:", "not"), "yellow")}
    lines = [Text(line, style=style.get(line.split(" ", 1)[0], "")) for line in report.lines(verbose)]
    return Group(*lines), 0 if report.ok else 1
