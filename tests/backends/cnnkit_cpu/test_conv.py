"""Plans of convolutions: one for each set of arguments, in whatever order a call names them."""

import numpy as np

import cnnkit
from cnnkit import backends
from cnnkit.ops import compose
from cnnkit.ops.conv import conv2d
from cnnkit.ops.core import Call
from cnnkit.ops.pool import max_pool2d

NEEDS = (False, False, False)


def arrays():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((2, 3, 12, 12), dtype=np.float32), rng.standard_normal((4, 3, 3, 3), dtype=np.float32),
            rng.standard_normal(4, dtype=np.float32))


def test_a_plan_is_not_taken_for_that_of_other_arguments_with_the_same_values():
    conv = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    swapped = {"dilation": (2, 2), "padding": ((1, 1), (1, 1)), "stride": (1, 1), "groups": 1}
    for attrs in conv, swapped:
        (y,), _ = conv2d(*arrays(), needs=NEEDS, **attrs)
        want, _ = conv2d.generic(*arrays(), needs=NEEDS, **attrs)
        np.testing.assert_allclose(y, want, atol=1e-5)


def test_a_fused_plan_is_not_taken_for_that_of_other_arguments_with_the_same_values():
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    pool = {"kernel_size": (2, 2), "stride": (2, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "ceil_mode": False}
    swapped = {"stride": (2, 2), "kernel_size": (2, 1), **{name: pool[name] for name in ("padding", "dilation", "ceil_mode")}}
    with cnnkit.use("cpu"):
        kernel, = backends.backend_of(arrays()[0]).resolve().fused["conv2d", "max_pool2d"]
    for attrs in pool, swapped:
        (want,), _ = compose([Call(conv2d, conv), Call(max_pool2d, attrs)], (3, 0), arrays(), NEEDS)
        y, _ = kernel(*arrays(), needs=NEEDS, attrs=[conv, attrs])
        np.testing.assert_allclose(y, want, atol=1e-5)
