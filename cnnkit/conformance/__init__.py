"""The conformance kit: what every backend must get right, and how to ask it.

``cnnkit check NAME`` runs it on any backend, yours included; `run` does so from Python. The kit's parts:
`case` (the protocol that every case implements), `kinds` (the classes that do), `cases` (plain data),
`reference` (naive float64 loops, the ground truth), `checks` (what a case must pass), `kernels` (which
kernels serve it), `runner` and `report`, and `support` (which op runs natively where).

A backend that cannot do something says so: ``gaps = {"conv-groups*": "groups are not supported yet"}``, a
pattern of case names and a reason. A declared gap that passes is a failure: remove it.
"""

from cnnkit.conformance.case import Case, Served
from cnnkit.conformance.cases import CASES, EVERY_CASE, FUSED, SINGLE
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.draw import DrawCase
from cnnkit.conformance.kinds.look_up import LookUpCase
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.kinds.update import UpdateCase
from cnnkit.conformance.readonly import ReadOnlyNumPy
from cnnkit.conformance.report import Outcome, Report
from cnnkit.conformance.runner import main_report, run, run_case
from cnnkit.conformance.support import Support, support
from cnnkit.conformance.target import Target, names
from cnnkit.conformance.tolerance import Tolerance

__all__ = ["CASES", "EVERY_CASE", "FUSED", "SINGLE", "Case", "Draw", "DrawCase", "LookUpCase", "OpCase",
           "Outcome", "ReadOnlyNumPy", "Report", "Served", "Support", "Target", "Tolerance", "UpdateCase",
           "main_report", "names", "run", "run_case", "support"]
