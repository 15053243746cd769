"""Plans of convolutions: one for each set of arguments, in whatever order a call names them."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cpu.conv import conv2d_chain

from cnnkit.ops import compose
from cnnkit.ops.conv import conv as convolution

NEEDS = (False, False, False)


def arrays():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((2, 3, 12, 12), dtype=np.float32),
            rng.standard_normal((4, 3, 3, 3), dtype=np.float32), rng.standard_normal(4, dtype=np.float32))


def test_a_plan_is_not_taken_for_that_of_other_arguments_with_the_same_values():
    conv = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    swapped = {"dilation": (2, 2), "padding": ((1, 1), (1, 1)), "stride": (1, 1), "groups": 1}
    for attrs in conv, swapped:
        (y,), _ = convolution(*arrays(), needs=NEEDS, **attrs)
        want, _ = convolution.generic(*arrays(), needs=NEEDS, **attrs)
        np.testing.assert_allclose(y, want, atol=1e-5)


def test_a_fused_plan_is_not_taken_for_that_of_other_arguments_with_the_same_values():
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    pool = {"kernel_size": (2, 2), "stride": (2, 1), "padding": ((0, 0), (0, 0)),
            "dilation": (1, 1), "ceil_mode": False}
    swapped = {"stride": (2, 2), "kernel_size": (2, 1),
               **{name: pool[name] for name in ("padding", "dilation", "ceil_mode")}}
    for attrs in pool, swapped:
        calls = chain(("conv", "max_pool"), (conv, attrs))
        (want,), _ = compose(calls, arrays(), NEEDS)
        y, _ = conv2d_chain(*arrays(), needs=NEEDS, calls=calls)
        np.testing.assert_allclose(y, want, atol=1e-5)


@pytest.mark.parametrize(("side", "value", "served"), [(12, 1.0, True), (13, 1.0, True), (12, np.inf, True),
                                                       (13, np.inf, False), (13, np.nan, False)])
def test_results_in_no_pooling_window_count_where_numbers_are_not_finite(side, value, served):
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    pool = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
            "dilation": (1, 1), "ceil_mode": False}
    x = np.random.default_rng(0).standard_normal((2, 3, side, side), dtype=np.float32)
    x[1, 2, side - 1, side - 1] = value
    calls = chain(("conv", "relu", "max_pool"), (conv, {}, pool))
    result = conv2d_chain(x, *arrays()[1:], needs=(False, True, False), calls=calls)
    assert (result is not NotImplemented) == served
    assert conv2d_chain(x, *arrays()[1:], needs=NEEDS, calls=calls) is not NotImplemented


def test_the_largest_of_a_window_of_nan_is_left_to_the_single_kernels():
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    pool = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
            "dilation": (1, 1), "ceil_mode": False}
    x, weight, bias = arrays()
    x[0, 0, 5, 5] = np.nan
    calls = chain(("conv", "sigmoid", "max_pool"), (conv, {}, pool))
    assert conv2d_chain(x, weight, bias, needs=(True, True, True), calls=calls) is NotImplemented
    assert conv2d_chain(x, weight, bias, needs=NEEDS, calls=calls) is not NotImplemented
