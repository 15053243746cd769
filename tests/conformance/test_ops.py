"""Every op on every backend, by the conformance kit: one test per case, all checks in it."""

from collections import Counter

import pytest

from cnnkit import conformance

# JAX compiles each op again for each shape (a second or two a case); `cnnkit check jax` runs all of them.
CASES_PER_OP = {"jax": 2}


@pytest.fixture(scope="module")
def case_numbers():
    """The number of each case among the cases of its op, from 1."""
    counts, numbers = Counter(), {}
    for case in conformance.EVERY_CASE:
        counts[case.kernel] += 1
        numbers[case.id] = counts[case.kernel]
    return numbers


@pytest.mark.parametrize("case", conformance.EVERY_CASE, ids=lambda case: case.id)
def test_op(case, backend, case_numbers):
    if case_numbers[case.id] > CASES_PER_OP.get(backend.name, 10**6):
        pytest.skip(f"{backend.name} runs {CASES_PER_OP[backend.name]} cases of each op here")
    outcome = conformance.run_case(case, backend)
    if outcome.status == "gap":
        pytest.xfail(outcome.reason)
    assert outcome.status == "passed", "\n".join(f"{check}: {message}" for check, message in outcome.failures)
