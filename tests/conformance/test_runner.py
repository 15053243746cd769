"""`cnnkit check` from Python: reports, declared gaps, a third party's backend, and the support table."""

import numpy as np
import pytest

from cnnkit import backends, conformance
from cnnkit.conformance.kernels import who_serves, written


class Incomplete(backends.ArrayAPIBackend):
    """NumPy under another name, which declares what it cannot do."""

    gaps = {}


@pytest.fixture
def incomplete():
    backend = Incomplete("incomplete", np, ("numpy:ndarray",), "numpy")
    yield backend
    Incomplete.gaps = {}


def test_a_backend_that_gets_everything_right_is_ok():
    report = conformance.run("numpy", ops=["linear", "conv+relu"])
    assert report.ok
    counts = f"{len(report.outcomes)} cases passed, 0 failed, 0 declared gaps"
    assert report.lines()[-1].startswith(f"numpy: {counts}")


def test_a_wrong_kernel_for_an_op_that_the_backend_serves_too_is_asked_and_reported():
    def relu(x, *, needs):
        return np.maximum(x, 0) + 1, lambda dy: (dy,)
    wrong = backends.KernelTable("wrong", "numpy", {"relu": relu})
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


@pytest.mark.parametrize(("pattern", "status"), [("tanh-*", "gap"), ("tanh-map", "gap"),
                                                 ("relu-*", "failed")])
def test_a_declared_gap_may_fail(incomplete, monkeypatch, pattern, status):
    monkeypatch.setattr(conformance.OpCase, "checks", (wrong,))
    Incomplete.gaps = {pattern: "not written yet"}
    outcome = next(o for o in conformance.run(incomplete, ops=["tanh"]).outcomes if o.case == "tanh-map")
    assert outcome.status == status


def test_a_declared_gap_that_passes_must_be_removed(incomplete):
    Incomplete.gaps = {"tanh-vector": "not written yet"}
    failed = conformance.run(incomplete, ops=["tanh"]).of("failed")
    assert [o.case for o in failed] == ["tanh-vector"]
    assert failed[0].failures == (
        ("gap", "it is declared as a gap (not written yet), and passes: remove it"),)


def test_a_gap_that_names_no_case_must_be_removed(incomplete):
    Incomplete.gaps = {"conv9d-*": "nine dimensions"}
    report = conformance.run(incomplete, cases=[c for c in conformance.CASES if c.op == "tanh"])
    assert [o.failures for o in report.of("failed")] == [(("gap", "no case is called so: remove the gap"),)]


def test_an_op_without_cases_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match="no cases of 'conv9d'; it has conv, "):
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
    kernels = {"linear": linear, "cosine": None, ("relu", "tanh"): None}
    backends.register_table(backends.KernelTable("half", "numpy", kernels, 1000))
    try:
        report = conformance.run("half", ops=["linear"])
        table = conformance.support(["half", "numpy-readonly"],
                                    [c for c in conformance.SINGLE if c.op in ("linear", "exp")])
        lines_of_numpy = conformance.run("numpy", ops=["linear"]).lines()
        untested = conformance.run("half", cases=conformance.SINGLE[:1]).untested
    finally:
        backends.register_table(remove="half")
    served = {o.case: o.served for o in report.outcomes}
    assert served["linear-matrix"] == ("native", "half")
    assert served["linear-no-bias"] != ("native", "half")
    assert [row[2] for row in table.rows()] == ["generic", "generic"]
    assert table.cells["linear", "half"].tables[0] == "half"
    assert "| exp | generic | generic |" in table.markdown()
    line = "not asked: the table half serves these arrays too, under its own name: cnnkit check half"
    assert line in lines_of_numpy
    assert {"cosine", "relu+tanh"} <= set(untested)


DECLINED = ("sgd", "random_bits", "look_up", "relu", ("batch_norm", "add"))


@pytest.fixture
def third_party():
    """A table with kernels that the kit has cases of, and with two that it has none of; all decline."""
    def declines(*arrays, **settings):
        return NotImplemented
    keys = ("tiger", *DECLINED, ("relu", "tanh"))
    backends.register_table(backends.KernelTable("third", "numpy", dict.fromkeys(keys, declines)))
    yield
    backends.register_table(remove="third")


ONE_CASE_EACH = list({case.kernel: case for case in reversed(conformance.EVERY_CASE)}.values())


def test_kernels_of_a_third_party_without_a_case_are_named(third_party):
    report = conformance.run("third", cases=ONE_CASE_EACH)
    assert report.untested == ["tiger", "relu+tanh"]
    assert "untested: the tables have a kernel for tiger, and the kit has no case of it" in report.lines()


def test_kernels_of_a_third_party_that_decline_every_case_are_named(third_party):
    report = conformance.run("third", [written(kernel) for kernel in DECLINED], ONE_CASE_EACH)
    assert report.idle == ["sgd", "random_bits", "look_up", "relu", "batch_norm+add"]
    assert ("unseen: the kernels for relu declined every case of it, so nothing of them was checked"
            in report.lines())
    assert conformance.run("numpy", ["relu", "sgd"], ONE_CASE_EACH).idle == []


@pytest.mark.parametrize("kernel", [
    "sgd", *(pytest.param(kernel, marks=pytest.mark.heavy)
             for kernel in ("random_bits", "look_up", "relu", ("batch_norm", "add")))],
                         ids=written)
def test_a_kernel_of_any_kind_is_untested_without_its_cases(third_party, kernel):
    report = conformance.run("third", cases=[case for case in ONE_CASE_EACH if case.kernel != kernel])
    assert set(report.untested) == {"tiger", written(kernel), "relu+tanh"}


def test_pixels_that_nobody_looks_up_are_not_served_and_no_failure(third_party):
    look_ups = [case for case in conformance.EVERY_CASE if case.kernel == "look_up"]
    report = conformance.run("numpy", cases=look_ups)
    assert report.ok
    assert report.lines()[-1].endswith(f"0 declared gaps; {len(look_ups)} not served")
    assert {o.served for o in conformance.run("third", cases=look_ups).outcomes} == {("declined", "third")}
    assert str(conformance.support(["numpy"], look_ups).cells["look_up", "numpy"]) == "not served"


class TigerCase:
    """A case of a third party's own update, which is no kind of the kit's."""

    id, kernel = "tiger-one-step", "tiger"

    @property
    def checks(self):
        return (self.check_sign,)

    def step(self, target, kernel):
        return kernel(target.asarray(np.float32([3, 3])), target.asarray(np.float32([0.5, -7])))

    def check_sign(self, case, target):
        result = target.to_numpy(self.step(target, target.tables.single["tiger"][0]))
        assert result.tolist() == [2, 4], \
            f"a step along the sign gives [2, 4], and this one {result.tolist()}"

    def served(self, target):
        return who_serves(self.kernel, target, lambda kernel: self.step(target, kernel))


@pytest.mark.parametrize(("tiger", "failures"), [
    (lambda p, g: p - np.sign(g), []),
    (lambda p, g: p - g, ["a step along the sign gives [2, 4], and this one [2.5, 10.0]"])])
def test_a_case_of_a_third_party_runs_like_those_of_the_kit(tiger, failures):
    backends.register_table(backends.KernelTable("tigers", "numpy", {"tiger": tiger}))
    try:
        report = conformance.run("tigers", cases=[TigerCase(), *ONE_CASE_EACH[:1]])
        cell = conformance.support(["tigers"], [TigerCase()]).cells["tiger", "tigers"]
    finally:
        backends.register_table(remove="tigers")
    outcome = report.outcomes[0]
    assert (outcome.case, outcome.status, outcome.served) == (
        "tiger-one-step", "failed" if failures else "passed", ("native", "tigers"))
    assert [message.splitlines()[0] for check, message in outcome.failures
            if check == "check_sign"] == failures
    assert "tiger" not in report.untested
    assert (str(cell), cell.native) == ("tigers", 1)


def test_a_backend_whose_arrays_belong_to_another_is_refused_and_not_passed_untested():
    backends.register(backends.ArrayAPIBackend("shadowed", np, ("nowhere:Array",), "numpy"))
    try:
        with pytest.raises(ValueError, match=r"'shadowed' makes arrays of type numpy\.ndarray, which "
                                             r"belong to backend 'numpy'"):
            conformance.run("shadowed", ops=["relu"])
    finally:
        backends.plugins.backends.pop("shadowed")
