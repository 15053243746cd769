"""NumPy's pooling kernels: layouts and what is kept; tests/ops/test_pool.py checks their numbers."""

import numpy as np
import pytest
from cnnkit_numpy.pool import avg_pool2d, max_pool2d

NONE = ((0, 0), (0, 0))
MAX = {"kernel_size": (2, 2), "stride": (2, 2), "padding": NONE, "dilation": (1, 1), "ceil_mode": False}
AVG = {"kernel_size": (2, 2), "stride": (2, 2), "padding": NONE, "ceil_mode": False,
       "count_include_pad": True, "divisor_override": None}
OVERLAP = {"kernel_size": (3, 3), "padding": ((1, 1), (1, 1)), "ceil_mode": True}
KERNELS = [(max_pool2d, MAX), (max_pool2d, MAX | OVERLAP), (avg_pool2d, AVG), (avg_pool2d, AVG | OVERLAP)]


def everything(kernel, x, attrs, dy=None):
    y, backward = kernel(x, needs=(True,), **attrs)
    dy = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype) if dy is None else dy
    evaluated, nothing = kernel(x, needs=(False,), **attrs)
    assert nothing is None
    return [y, evaluated, *backward(dy)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kernel", "attrs"), KERNELS)
def test_results_are_contiguous_and_the_same_bits_whatever_the_layout_of_the_input(kernel, attrs, dtype):
    x = np.random.default_rng(0).normal(size=(3, 4, 8, 9)).astype(dtype)
    expected = everything(kernel, x, attrs)
    dy = np.random.default_rng(1).normal(size=expected[0].shape).astype(dtype)
    for axes in ((0, 2, 3, 1), (1, 0, 2, 3), (3, 2, 1, 0)):
        inverse = np.argsort(axes)
        view, d = (np.ascontiguousarray(a.transpose(axes)).transpose(inverse) for a in (x, dy))
        view.flags.writeable = d.flags.writeable = False
        for a, b in zip(everything(kernel, view, attrs, d), expected):
            assert a.dtype == dtype
            assert a.flags.c_contiguous
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("kernel", "attrs"), KERNELS)
def test_a_gradient_may_be_one_number_spread_out(kernel, attrs):
    x = np.random.default_rng(0).normal(size=(3, 4, 8, 9))
    y, backward = kernel(x, needs=(True,), **attrs)
    broadcast = np.broadcast_to(np.float64(2), y.shape)
    np.testing.assert_array_equal(backward(broadcast)[0], backward(broadcast.copy())[0])


def test_max_keeps_one_byte_for_each_choice():
    x = np.zeros((2, 3, 8, 8), np.float32)
    _, backward = max_pool2d(x, needs=(True,), **MAX)
    kept = [c.cell_contents for c in backward.__closure__ if isinstance(c.cell_contents, np.ndarray)]
    assert {a.dtype for a in kept} == {np.dtype(np.uint8)}
    assert sum(a.nbytes for a in kept) == 2 * 3 * (8 * 4 + 4 * 4)


@pytest.mark.parametrize(("kernel", "attrs"), [(max_pool2d, MAX), (avg_pool2d, AVG)])
@pytest.mark.parametrize(("dtype", "batch"), [(np.float16, 2), (np.float32, 0)])
def test_leaves_half_precision_and_empty_batches_to_the_generic_op(kernel, attrs, dtype, batch):
    assert kernel(np.zeros((batch, 1, 4, 4), dtype), needs=(True,), **attrs) is NotImplemented
