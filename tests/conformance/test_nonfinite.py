"""The check of where NaN and infinity stand: what it catches and allows, and all of its numbers."""

import numpy as np
import pytest
from wrong_kernels import generic, mutant

from cnnkit import backends, conformance, functional, tensor
from cnnkit.conformance.checks.nonfinite import DY, Placement, check_placement, placements


@pytest.fixture
def served_by():
    """Serve NumPy arrays from these kernels first."""
    def serve(kernels):
        backends.register_table(backends.KernelTable("mutant", "numpy", kernels, priority=1000))
        return conformance.Target("mutant")
    yield serve
    backends.register_table(remove="mutant")


def case_of(name):
    return next(case for case in conformance.EVERY_CASE if case.id == name)


def overflowing(where):
    """An average pooling that overflows at some places where it meets a large number."""
    def kernel(x, *, needs, **attrs):
        y, backward = generic("avg_pool", [x], needs, attrs)
        if np.abs(x).max() > 1e37:
            y = np.where(where(np.abs(y) > 1e36), np.inf, y)
        return y, backward
    return {"avg_pool": kernel}


@pytest.mark.parametrize(("kernels", "case", "placement", "message"), [
    (mutant("relu", lambda x: (np.fmax(x, -1e9),)), "relu-map", Placement("float32", 0, np.nan, 1),
     "and nan by the generic op"),
    (mutant("relu", lambda x: (np.where(np.abs(x) > 1e30, np.inf, x),)), "relu-map",
     Placement("float32", 0, 1e38, 1), "is inf at"),
    (overflowing(np.logical_not), "avg_pool-2x2", Placement("float32", 0, 1e38, 1), "is inf at"),
    (mutant("conv", gradients=lambda dxs, dy: (dxs[0], np.nan_to_num(dxs[1]), dxs[2])), "conv-3x3",
     Placement("float32", DY, np.inf, 1), "the gradient of weight")])
def test_a_kernel_that_has_them_elsewhere_is_caught(served_by, kernels, case, placement, message):
    target = served_by(kernels)
    with target.entered(), pytest.raises(AssertionError, match=message):
        check_placement(case_of(case), target, placement)


def test_a_sum_may_overflow_where_it_depends_on_a_large_number(served_by):
    target = served_by(overflowing(lambda large: large))
    with target.entered():
        check_placement(case_of("avg_pool-2x2"), target, Placement("float32", 0, 1e38, 1))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_class_that_is_not_chosen_does_not_count(backend):
    scores = tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    weight = tensor(np.array([1, 2, np.inf], np.float32))
    loss = functional.nll_loss(scores, tensor(np.array([0, 1])), weight, reduction="sum")
    loss.backward(tensor(np.array(np.inf, np.float32)))
    assert loss.item() == 0
    np.testing.assert_array_equal(scores.grad.numpy(), [[-np.inf, 0, 0], [0, -np.inf, 0]])


def test_every_number_in_every_array(placed_case, backend):
    for placement in placements(placed_case, backend):
        check_placement(placed_case, backend, placement)
