"""The table of cases: complete, readable, and fit for comparing float32 with float64."""

import re

import numpy as np
import pytest

from cnnkit import conformance
from cnnkit.conformance.cases.elementwise import settings
from cnnkit.conformance.expected import expected
from cnnkit.conformance.reference import FORMULAS, REFERENCES
from cnnkit.ops import OPS
from cnnkit.ops.unary import UNARY
from cnnkit.ops.update import UPDATES


def test_every_op_and_every_update_has_cases():
    assert {*OPS, *UPDATES} - {case.kernel for case in conformance.EVERY_CASE} == set()


def test_every_unary_elementwise_op_and_every_activation_has_a_formula():
    assert set(FORMULAS) == set(UNARY)
    assert {op.name for op in OPS.values() if op.role == "activation"} <= set(FORMULAS)


@pytest.mark.parametrize("case", [c for c in conformance.SINGLE if c.op in FORMULAS and "kinks" in c.name],
                         ids=lambda case: case.id)
def test_cases_at_kinks_have_each_of_them_and_the_others_keep_clear(case):
    kinks = OPS[case.op].kinks(case.attrs)
    near = set(expected(case, "float64").inputs[0].reshape(-1).tolist())
    assert set(kinks) <= near
    assert not kinks or not case.smooth
    plain = next(c for c in conformance.SINGLE if c.op == case.op and c.id == case.id.replace("kinks", "map"))
    assert plain.smooth
    values = expected(plain, "float64").inputs[0]
    assert all(np.abs(values - kink).min() >= 1 / 16 for kink in kinks)


def test_every_choice_of_an_attribute_is_tried(monkeypatch):
    monkeypatch.setattr(OPS["elu"], "choices", {"form": ("a", "b")})
    assert settings("elu", FORMULAS["elu"]) == [{"alpha": 1.5, "form": "a"}, {"alpha": 1.5, "form": "b"}]


def test_names_are_unique_words():
    ids = [case.id for case in conformance.EVERY_CASE]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_+]+(-[a-zA-Z0-9]+)+", i) for i in ids)


def test_a_case_draws_the_same_numbers_always():
    case = next(c for c in conformance.CASES if c.id == "conv-3x3")
    np.testing.assert_allclose(expected(case, "float64").inputs[0].reshape(-1)[:2],
                               [0.202679539143, 1.573521924709], rtol=1e-9)


LARGE = {"add-many-numbers": 10_000,
         "batch_norm-training-mixed-many-pixels": 6_000}  # a vector of channels, more pixels than threads


def limit(case):
    """Numbers that a case may have: of depthwise convolutions, more than a vector of channels."""
    return LARGE.get(case.id, 4_000 if "-depthwise-" in case.id else 1_500)


@pytest.mark.heavy
def test_shapes_are_small_enough_for_an_emulator():
    for case in conformance.CASES:
        inputs = expected(case, "float32").inputs
        assert sum(v.size for v in inputs if isinstance(v, np.ndarray)) < limit(case), case.id


@pytest.mark.parametrize("case", [c for c in conformance.FUSED if "relu" in c.ops and c.tolerance.rtol],
                         ids=lambda c: c.id)
def test_no_sum_before_a_relu_is_so_near_zero_that_float32_could_turn_its_sign(case):
    truth, value, start = expected(case, "float64"), None, 0
    for name, attrs, count in zip(case.ops, case.attributes, case.arities):
        arrays = [*([] if value is None else [value]), *truth.inputs[start:start + count]]
        start += count
        if name == "relu":
            assert np.abs(value).min(initial=1) > 1e-4
        value = REFERENCES[name][0](*arrays, **attrs)
        value = value[0] if isinstance(value, tuple) else value
