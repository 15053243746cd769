"""Some blocks of a grid, on arrays larger than memory: a test that 64-bit numbers of elements work."""

import numpy as np
import pytest
from cnnkit_emulator.array import Array
from cnnkit_emulator.device import sampled

from cnnkit import backends
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

WINDOWS = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
           "dilation": (1, 1), "ceil_mode": False}


def last_pixels(shape, values, dtype="float16"):
    """A vast array of zeros, channels last in memory, whose last image ends with these values."""
    with sampled(-1):
        array = backends.get("emulator").cuda.empty(shape, dtype, channels_last=True)
    array.host[-1, :, -values.shape[1]:, -values.shape[2]:] = values
    return array


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
def test_the_last_block_of_a_pooling_over_more_than_2_to_the_31_elements_is_right(op):
    # 3.1e9 elements; a block of 256 threads makes two pixels of all channels
    shape = (3, 1000, 2**10, 2**10 - 2)
    assert np.prod(shape, dtype=np.int64) > 2**31
    values = np.random.default_rng(0).standard_normal((1000, 2, 4)).astype(np.float16)
    x = last_pixels(shape, values)
    attrs = {k: v for k, v in WINDOWS.items() if op == "max_pool" or k != "dilation"}
    if op == "avg_pool":
        attrs |= {"count_include_pad": True, "divisor_override": None}
    gradient = values[:, :1, :2]
    with sampled(-1):
        (y,), backward = OPS[op](x, needs=(True,), **attrs)
        dx, = backward(last_pixels(y.shape, gradient))
    windows = values.astype(np.float32).reshape(1000, 2, 2, 2).transpose(0, 2, 1, 3).reshape(1000, 2, 4)
    expected = windows.max(2) if op == "max_pool" else windows.mean(2)
    np.testing.assert_array_equal(y.host[-1, :, -1, -2:], expected.astype(np.float16))
    gradient = gradient[:, 0].astype(np.float32)
    shares = windows.argmax(2)[..., None] == np.arange(4) if op == "max_pool" else np.full(4, 0.25)
    # the last two pixels are the lower half of the last window
    expected = (gradient[..., None] * shares)[:, 1, 2:]
    np.testing.assert_array_equal(dx.host[-1, :, -1, -2:], expected.astype(np.float16))
    assert not y.host[0, :, 0, 0].any()
    assert not dx.host[0, :, 0, 0].any()


@pytest.mark.parametrize("groups", [1, 4], ids=["direct", "depthwise"])
def test_the_last_block_of_a_convolution_over_more_than_2_to_the_31_elements_is_right(groups):
    shape, rng = (3, 4, 14000, 14000), np.random.default_rng(0)
    assert np.prod(shape, dtype=np.int64) > 2**31
    values, gradient, weight = (rng.standard_normal(s).astype(np.float16)
                                for s in ((4, 6, 6), (4, 4, 4), (4, 4 // groups, 3, 3)))
    attrs = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": groups}
    x, needs = last_pixels(shape, values), (True, False, False)
    with sampled(-1):
        (y,), backward = OPS["conv"](x, backends.get("emulator").asarray(weight), None, needs=needs, **attrs)
        dx = backward(last_pixels(y.shape, gradient))[0]
    expected, backward = OPS["conv"].generic(values[None].astype(float), weight.astype(float),
                                             None, needs=needs, **attrs)
    for got, exact in ((y, expected), (dx, backward(gradient[None].astype(float))[0])):
        np.testing.assert_allclose(got.host[-1, :, -2:, -2:].astype(float),
                                   exact[0, :, -2:, -2:], rtol=2e-3, atol=4e-3)
        assert not got.host[0, :, 0, 0].any()


def test_blocks_are_chosen_by_number_from_either_end():
    from cnnkit_emulator.device import EmulatedDevice

    source = "__global__ void number(int* y) { y[blockIdx.x + gridDim.x * blockIdx.y] = 7; }"
    y = Array(np.zeros(12, np.int32))
    with sampled(0, 5, -1, -12, 99):
        EmulatedDevice().run(source, ("number",), "number", (4, 3, 1), (1, 1, 1), [y], [True])
    assert np.flatnonzero(y.host).tolist() == [0, 5, 11]
    with pytest.raises(ValueError, match="which blocks"), sampled():
        pass
