"""The shipped kernels under every schedule: the same bits whichever thread runs first."""

import pytest

from cnnkit import backends, conformance
from cnnkit.conformance.checks.calling import call
from cnnkit.conformance.checks.comparing import bits
from cnnkit.conformance.checks.values import check_gradients, check_outputs
from cnnkit.conformance.expected import expected

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
OPS = ("conv", "max_pool", "max_pool_with_indices", "avg_pool", "cross_entropy", "batch_norm", "dropout")
CASES = [case for case in conformance.CASES if case.op in OPS]


@pytest.fixture(scope="module")
def target():
    target = conformance.Target("emulator")
    with target.entered():
        yield target


def results(case, target):
    exact = expected(case, "float32")
    outputs, backward = call(case, target, target.arrays(exact.inputs), case.needs)
    return bits(target, (*outputs, *(backward(target.asarray(exact.dy)) if backward else ())))


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.heavy] if n % 4 else [], id=case.id)
                                  for n, case in enumerate(CASES)])
def test_every_schedule_gives_the_same_bits(case, target):
    from cnnkit_emulator.device import schedule

    check_outputs(case, target)
    check_gradients(case, target)
    in_order = results(case, target)
    for name, seed in (("reversed", 0), ("skewed", 1)):
        with schedule(name, seed):
            assert results(case, target) == in_order, name
