"""The conformance kit: what every backend must get right, and how to ask it.

``cnnkit check NAME`` runs it on any backend, yours included; `run` does so from Python. The kit's parts: `cases` (plain
data), `reference` (naive float64 loops, the ground truth), `checks` (what is asked of a case), `runner`, and `support`
(which op runs natively where).

A backend that cannot do something says so: ``gaps = {"conv2d-groups*": "groups are not supported yet"}``, a pattern of case
names and a reason. A declared gap that passes is a failure: remove it.
"""

from cnnkit.conformance.case import Case, Draw, Tolerance
from cnnkit.conformance.cases import CASES, FUSED, SINGLE
from cnnkit.conformance.checks import CHECKS
from cnnkit.conformance.readonly import ReadOnlyNumPy
from cnnkit.conformance.runner import EVERY_CASE, Outcome, Report, main_report, run, run_case
from cnnkit.conformance.support import Support, support
from cnnkit.conformance.target import Target, names

__all__ = ["CASES", "CHECKS", "EVERY_CASE", "FUSED", "SINGLE", "Case", "Draw", "Outcome", "ReadOnlyNumPy", "Report", "Support",
           "Target", "Tolerance", "main_report", "names", "run", "run_case", "support"]
