"""The checks themselves: kernels that are deliberately wrong, each caught by the check meant for it."""

import warnings

import numpy as np
import pytest
from wrong_kernels import MUTANTS, generic, mutant

from cnnkit import backends, conformance
from cnnkit.conformance.kernels import matches


@pytest.fixture
def served_by():
    """Serve NumPy arrays from these kernels first."""
    def serve(kernels):
        backends.register_table(backends.KernelTable("mutant", "numpy", kernels, priority=1000))
        return conformance.Target("mutant")
    yield serve
    backends.register_table(remove="mutant")


def cases_of(kernels):
    return [case for case in conformance.EVERY_CASE if any(matches(key, case.kernel) for key in kernels)]


@pytest.mark.heavy
@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_caught_by_the_check_meant_for_it(name, served_by):
    kernels, expected_check = MUTANTS[name]
    target = served_by(kernels)
    caught = set()
    with target.entered():
        for case in cases_of(kernels):
            caught |= {check for check, _ in conformance.run_case(case, target).failures}
    assert expected_check in caught


def test_the_unchanged_kernels_pass(served_by):
    kernels = {key: value for op in ("conv", "relu", "sigmoid") for key, value in mutant(op).items()}
    target = served_by(kernels)
    with target.entered():
        outcomes = [conformance.run_case(case, target) for case in cases_of(kernels)]
    assert [o for o in outcomes if o.status != "passed"] == []
    assert {o.served for o in outcomes} == {("native", "mutant")}


def test_a_warning_of_the_arithmetic_is_a_failure(served_by):
    def overflows(x, *, needs):
        y = 1 / (1 + np.exp(-x * 10))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right, backward = generic("sigmoid", [x], needs, {})
            return right + 0 * y, backward
    target = served_by({"sigmoid": overflows})
    with target.entered():
        large = next(c for c in conformance.EVERY_CASE if c.id == "sigmoid-large")
        assert "RuntimeWarning" in conformance.run_case(large, target).failures[0][1]
