"""`cnnkit check` from Python: reports, declared gaps, a third party's backend, and the support table."""

import numpy as np
import pytest

from cnnkit import backends, conformance


class Incomplete(backends.ArrayAPIBackend):
    """NumPy under another name, which declares what it cannot do."""

    gaps = {}


@pytest.fixture
def incomplete():
    backend = Incomplete("incomplete", np, ("numpy:ndarray",), "numpy")
    yield backend
    Incomplete.gaps = {}


def test_a_backend_that_gets_everything_right_is_ok():
    report = conformance.run("numpy", ops=["linear", "conv2d+relu"])
    assert report.ok
    assert report.lines()[-1].startswith(f"numpy: {len(report.outcomes)} cases passed, 0 failed, 0 declared gaps")


def test_a_wrong_kernel_for_an_op_that_the_backend_serves_too_is_asked_and_reported():
    wrong = backends.KernelTable("wrong", "numpy", {"relu": lambda x, *, needs: (np.maximum(x, 0) + 1, lambda dy: (dy,))})
    backends.register_table(wrong)
    try:
        lines = "\n".join(conformance.run("wrong", ops=["relu"]).lines())
    finally:
        backends.register_table(remove="wrong")
    assert "output 0 is wrong at 120 of 120 places; at (" in lines
    assert "(float32: rtol 0, atol 0; nothing is rounded: values are" in lines


def test_a_backend_of_a_third_party_is_checked_without_being_registered(incomplete):
    assert conformance.run(incomplete, ops=["tanh"]).ok


def wrong(case, target):
    raise AssertionError("it is wrong")


@pytest.mark.parametrize(("pattern", "status"), [("tanh-*", "gap"), ("tanh-map", "gap"), ("relu-*", "failed")])
def test_a_declared_gap_may_fail(incomplete, monkeypatch, pattern, status):
    monkeypatch.setattr("cnnkit.conformance.runner.CHECKS", (wrong,))
    Incomplete.gaps = {pattern: "not written yet"}
    outcome = next(o for o in conformance.run(incomplete, ops=["tanh"]).outcomes if o.case == "tanh-map")
    assert outcome.status == status


def test_a_declared_gap_that_passes_must_be_removed(incomplete):
    Incomplete.gaps = {"tanh-vector": "not written yet"}
    failed = conformance.run(incomplete, ops=["tanh"]).of("failed")
    assert [o.case for o in failed] == ["tanh-vector"]
    assert failed[0].failures == (("gap", "it is declared as a gap (not written yet), and passes: remove it"),)


def test_a_gap_that_names_no_case_must_be_removed(incomplete):
    Incomplete.gaps = {"conv9d-*": "nine dimensions"}
    report = conformance.run(incomplete, cases=[c for c in conformance.CASES if c.op == "tanh"])
    assert [o.failures for o in report.of("failed")] == [(("gap", "no case is called so: remove the gap"),)]


def test_an_op_without_cases_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match="no cases of 'conv9d'; it has conv2d"):
        conformance.run("numpy", ops=["conv9d"])


def test_the_printed_report_has_an_exit_status():
    text, status = conformance.main_report("numpy", ops=["relu"])
    assert status == 0
    assert str(text.renderables[-1]).startswith("numpy: ")


def test_an_unknown_backend_is_answered_with_what_there_is():
    with pytest.raises(ValueError, match=r"no backend 'nunpy'. Available: .*numpy"):
        conformance.run("nunpy")


def test_the_report_and_the_support_table_say_who_served():
    def linear(x, weight, bias, *, needs):
        from cnnkit.ops.linear import linear
        return NotImplemented if bias is None else linear.generic(x, weight, bias, needs=needs)
    backends.register_table(backends.KernelTable("half", "numpy", {"linear": linear, "cosine": None, ("relu", "tanh"): None}, 1000))
    try:
        report = conformance.run("half", ops=["linear"])
        table = conformance.support(["half", "numpy-readonly"], [c for c in conformance.SINGLE if c.op in ("linear", "exp")])
        beside = conformance.run("numpy", ops=["linear"]).lines()
        untested = conformance.run("half", cases=conformance.SINGLE[:1]).untested
    finally:
        backends.register_table(remove="half")
    served = {o.case: o.served for o in report.outcomes}
    assert served["linear-matrix"] == ("native", "half")
    assert served["linear-no-bias"] != ("native", "half")
    assert [row[2] for row in table.rows()] == ["generic", "generic"]
    assert table.cells["linear", "half"].tables[0] == "half"
    assert "| exp | generic | generic |" in table.markdown()
    assert "not asked: the table half serves these arrays too, under its own name: cnnkit check half" in beside
    assert {"cosine", "relu+tanh"} <= set(untested)


def test_a_backend_whose_arrays_belong_to_another_is_refused_and_not_passed_untested():
    backends.register(backends.ArrayAPIBackend("shadowed", np, ("nowhere:Array",), "numpy"))
    try:
        with pytest.raises(ValueError, match=r"'shadowed' makes arrays of type numpy\.ndarray, which\s+belong to backend 'numpy'"):
            conformance.run("shadowed", ops=["relu"])
    finally:
        backends.plugins.backends.pop("shadowed")
