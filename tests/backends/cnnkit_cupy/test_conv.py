"""Convolutions larger than a tile: several tiles each way, a rest at every edge, and a weight gradient in slices."""

import numpy as np
import pytest
from cnnkit_cupy.conv import slices

from cnnkit import backends
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


@pytest.mark.parametrize(("x", "weight", "attrs"), [
    ((2, 3, 33, 41), (70, 3, 3, 3), {"padding": ((1, 1), (1, 1))}),
    ((1, 68, 9, 8), (66, 68, 1, 1), {}),
    ((2, 4, 35, 37), (6, 2, 3, 2), {"groups": 2, "stride": (1, 2), "padding": ((0, 1), (2, 0)), "dilation": (2, 1)}),
], ids=["rows-columns-slices", "deep", "groups-slices"])
def test_results_are_those_of_float64_beyond_one_tile(x, weight, attrs):
    emulator, rng, attrs = backends.get("emulator"), np.random.default_rng(0), {**PLAIN, **attrs}
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (x, weight, weight[:1])]
    needs = (True, True, True)
    y, backward = OPS["conv2d"].generic(*(a.astype(np.float64) for a in arrays), needs=needs, **attrs)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    with backends.use("emulator"):
        outputs, back = OPS["conv2d"](*map(emulator.asarray, arrays), needs=needs, **attrs)
        got = [*outputs, *back(emulator.asarray(dy))]
    for name, mine, right in zip(("y", "dx", "dweight", "dbias"), got, (y, *backward(dy.astype(np.float64)))):
        np.testing.assert_allclose(emulator.to_numpy(mine), right, rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_a_kernel_cannot_number_is_declined():
    emulator = backends.get("emulator")
    x, weight = (emulator.asarray(np.zeros(shape)) for shape in ((1, 1, 3, 3), (1, 1, 2, 2)))
    from cnnkit_cupy.conv import conv2d

    assert conv2d(x, weight, None, needs=(False, False, False), **PLAIN) is NotImplemented  # float64


def test_a_weight_gradient_has_few_blocks_for_large_filters_and_slices_for_small_ones():
    assert slices(64, 64, 10**9, 1) == 256
    assert slices(64, 64, 10, 1) == 1
    assert slices(10**4, 10**4, 10**9, 1) == 1
    assert slices(1, 9, 10**6, 60000) == 1
