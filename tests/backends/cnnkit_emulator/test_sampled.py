"""Some blocks of a grid, on arrays that no memory could hold: 64-bit numbers of elements are shown, not believed."""

import numpy as np
import pytest
from cnnkit_emulator.array import Array
from cnnkit_emulator.device import sampled

from cnnkit import backends
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

WINDOWS = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "ceil_mode": False}


def last_pixels(shape, values, dtype="float16"):
    """A vast array of zeros whose last image's last channel ends with these values; the others cost nothing."""
    with sampled(-1):
        array = backends.get("emulator").cuda.empty(shape, dtype)
    array.host[-1, -1, -values.shape[0]:, -values.shape[1]:] = values
    return array


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
def test_the_last_block_of_a_pooling_over_more_than_2_to_the_31_elements_is_right(op):
    shape = (3, 2**10, 2**10, 2**10 - 2)  # 3.2e9 elements
    assert np.prod(shape, dtype=np.int64) > 2**31
    values = np.random.default_rng(0).standard_normal((6, 40)).astype(np.float16)
    x = last_pixels(shape, values)
    attrs = {k: v for k, v in WINDOWS.items() if op == "max_pool2d" or k != "dilation"}
    if op == "avg_pool2d":
        attrs |= {"count_include_pad": True, "divisor_override": None}
    with sampled(-1):
        (y,), backward = OPS[op](x, needs=(True,), **attrs)
        dy = last_pixels(y.shape, values[:3, :20])
        dx, = backward(dy)
    windows = values.astype(np.float32).reshape(3, 2, 20, 2).transpose(0, 2, 1, 3).reshape(3, 20, 4)
    right = windows.max(2) if op == "max_pool2d" else windows.mean(2)
    np.testing.assert_array_equal(y.host[-1, -1, -1, -20:], right[-1].astype(np.float16))
    gradient = values[2, :20].astype(np.float32)  # of the last row's windows
    if op == "max_pool2d":
        chosen = windows[-1].argmax(1)
        right = np.where(chosen[:, None] == np.arange(4), gradient[:, None], 0)[:, 2:].reshape(40)
    else:
        right = np.repeat(gradient / 4, 2)
    np.testing.assert_array_equal(dx.host[-1, -1, -1, -40:], right.astype(np.float16))
    assert not y.host[0, 0, :8].any()
    assert not dx.host[0, 0, :8].any()


def test_blocks_are_chosen_by_number_from_either_end():
    from cnnkit_emulator.device import EmulatedDevice

    source = "__global__ void number(int* y) { y[blockIdx.x + gridDim.x * blockIdx.y] = 7; }"
    y = Array(np.zeros(12, np.int32))
    with sampled(0, 5, -1, -12, 99):
        EmulatedDevice().run(source, ("number",), "number", (4, 3, 1), (1, 1, 1), [y], [True])
    assert np.flatnonzero(y.host).tolist() == [0, 5, 11]
    with pytest.raises(ValueError, match="which blocks"), sampled():
        pass
