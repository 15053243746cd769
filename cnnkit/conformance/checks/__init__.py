"""What a case must pass: each check is a small function that raises `AssertionError` and says what is wrong.

All checks compare with the loops of `cnnkit.conformance.reference`, or one run with another; none compares an
op with itself. `OP_CHECKS` lists those of an op or a fused chain in the order in which a failure is easiest
to understand; those of updates, random draws and pixels stand at the end of their modules.
"""

from cnnkit.conformance.checks.agreement import check_directional, check_fused, check_generic
from cnnkit.conformance.checks.memory import check_broadcast_dy, check_read_only, check_unchanged, check_views
from cnnkit.conformance.checks.nonfinite import check_nonfinite
from cnnkit.conformance.checks.repetition import check_independent, check_repeatable
from cnnkit.conformance.checks.values import check_gradients, check_kind, check_needs, check_outputs

__all__ = ["OP_CHECKS"]

OP_CHECKS = (check_outputs, check_gradients, check_kind, check_needs, check_views, check_broadcast_dy,
             check_read_only, check_unchanged, check_repeatable, check_independent, check_generic,
             check_fused, check_nonfinite, check_directional)
