"""Every op as a graph that onnxruntime runs, beside cnnkit's own result: the cases of the conformance kit."""

import numpy as np
import pytest

from cnnkit import conformance
from cnnkit.conformance.checks.calling import arrays_of, call
from cnnkit.conformance.expected import expected
from cnnkit.onnx.exporter.tidying import lower, tidy

pytest.importorskip("ndonnx")
kernels = pytest.importorskip("cnnkit_onnx.kernels")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

LAZY, PLAIN = conformance.Target("onnx"), conformance.Target("numpy")
CASES = [case for case in conformance.EVERY_CASE if isinstance(case, conformance.OpCase)
         and (isinstance(case.op, str) or case.op in kernels.table.load())]
ONE_EACH = [*{case.op: case for case in reversed(CASES)}.values()]
TOLERANCE = 1e-5

# case -> why a graph does not give what cnnkit gives
OTHERWISE = {
    "max_pool-padding-is-never-chosen": "onnxruntime's MaxPool passes NaN over",
    "max_pool-nan-wins": "onnxruntime's MaxPool passes NaN over",
    "adaptive_max_pool_with_indices-batch-0": "ndonnx draws a branch for an empty batch",
    "cross_entropy-batch-0-sum": "ndonnx draws a branch for an empty batch",
    "cross_entropy-batch-0-mean": "ndonnx draws a branch for an empty batch",
    "cross_entropy-batch-0-none": "ndonnx draws a branch for an empty batch",
    "ctc-batch-0": "ndonnx draws a branch for an empty batch",
    "hardshrink-nan": "Shrink makes 0 of NaN",
    "softshrink-nan": "Shrink makes 0 of NaN",
    "standardize-instance-steady-channels-last": "InstanceNormalization loses digits of numbers that hardly "
                                                 "differ",
    "standardize-steady": "InstanceNormalization loses digits of numbers that hardly differ",
}


def run_both(case):
    """The results of a case by onnxruntime and by NumPy."""
    values = expected(case, "float32").inputs
    with PLAIN.entered():
        wanted, _ = call(case, PLAIN, arrays_of(case, PLAIN, values), [False] * len(values))
    given = {f"x{n}": value for n, value in enumerate(values) if isinstance(value, np.ndarray)}
    with LAZY.entered():
        lazy = {name: LAZY.backend.argument(value.shape, value.dtype) for name, value in given.items()}
        arrays = [lazy.get(f"x{n}", value) for n, value in enumerate(values)]
        drawn, _ = call(case, LAZY, arrays, [False] * len(values))
    outputs = {f"y{n}": array for n, array in enumerate(drawn) if array is not None}
    model = LAZY.backend.graph(lazy, outputs, {})
    tidy(model, [*outputs], [], {})
    lower(model, 17)
    onnx.checker.check_model(model, full_check=True)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, given), [np.asarray(array) for array in wanted if array is not None]


def check(case):
    if case.id in OTHERWISE:
        pytest.skip(OTHERWISE[case.id])
    for got, want in zip(*run_both(case), strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        finite = np.abs(want[np.isfinite(want)]) if want.dtype.kind == "f" and want.ndim else np.zeros(1)
        size = max(1.0, float(finite.max(initial=0)))
        np.testing.assert_allclose(got / size, want / size, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_an_op_is_a_graph_that_gives_the_same(case):
    check(case)


@pytest.mark.heavy
@pytest.mark.parametrize("case", [case for case in CASES if case not in ONE_EACH], ids=lambda case: case.id)
def test_every_case_of_an_op_is_a_graph_that_gives_the_same(case):
    check(case)


def test_what_is_otherwise_names_cases_that_there_are():
    assert {*OTHERWISE} <= {case.id for case in CASES}
