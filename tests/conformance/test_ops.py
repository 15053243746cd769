"""Every op on every backend, by the conformance kit: one test per case, all checks in it."""

import pytest

from cnnkit import conformance


@pytest.mark.parametrize("case", conformance.EVERY_CASE, ids=lambda case: case.id)
def test_op(case, backend):
    outcome = conformance.run_case(case, backend)
    if outcome.status == "gap":
        pytest.xfail(outcome.reason)
    assert outcome.status == "passed", "\n".join(f"{check}: {message}" for check, message in outcome.failures)
