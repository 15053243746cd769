"""What became of the cases: the outcome of each, and the report of one backend in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from cnnkit.conformance.case import GENERIC, Served

__all__ = ["Outcome", "Report"]


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
    served : Served
        Which kernel table served it.
    reason : str
        Why the backend declares a gap.
    """

    case: str
    status: str
    failures: tuple[tuple[str, str], ...] = ()
    served: Served = GENERIC
    reason: str = ""


@dataclass
class Report:
    """All outcomes of one backend.

    Attributes
    ----------
    name : str
        The backend, or the kernel table.
    outcomes : list of Outcome
        One for each case.
    untested : list of str
        Keys of the backend's tables that no case reaches.
    idle : list of str
        Keys whose kernels declined every case that was run, so that nothing of them was checked.
    not_asked : list of str
        Tables over this backend that ``cnnkit.use(name)`` leaves out.
    """

    name: str
    outcomes: list[Outcome] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)

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
                shown = o.failures if verbose else o.failures[:2]
                lines += [f"    {check}: {message}" for check, message in shown]
                if len(o.failures) > 2 and not verbose:
                    lines.append(f"    ... and {len(o.failures) - 2} more checks (--verbose shows them)")
            elif o.status == "gap":
                lines.append(f"gap    {o.case}: {o.reason}")
            elif verbose:
                lines.append(f"passed {o.case} [{' '.join(filter(None, o.served))}]")
        lines += [f"untested: the tables have a kernel for {key}, and the kit has no case of it"
                  for key in self.untested]
        lines += [f"unseen: the kernels for {key} declined every case of it, so nothing of them was checked"
                  for key in self.idle]
        lines += [f"not asked: the table {table} serves these arrays too, under its own name: "
                  f"cnnkit check {table}" for table in self.not_asked]
        counts = {how: sum(o.served.how == how for o in self.outcomes)
                  for how in ("native", "declined", "generic", "not served")}
        served = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
        lines.append(f"{self.name}: {len(self.of('passed'))} cases passed, {len(self.of('failed'))} failed, "
                     f"{len(self.of('gap'))} declared gaps; {served}")
        return lines
