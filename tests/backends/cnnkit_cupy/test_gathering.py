"""Look-ups on the emulated CUDA device: both ways to sum, 16-bit numbers, and positions outside the table."""

import numpy as np
import pytest
from cnnkit_cupy import gathering

import cnnkit.functional as F
from cnnkit import backends, tensor

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
NEEDS = (True, False)


@pytest.fixture
def emulator():
    with backends.use("emulator"):
        yield backends.get("emulator")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "axis", "size"), [
    ((40, 5), 0, 30), ((3, 20, 40), 1, 4),  # a thread for each sum
    ((200, 3), 0, 2), ((300,), 0, 3), ((2, 200, 2), 1, 2)])  # a warp for each sum
def test_sums_are_those_of_float64(emulator, dtype, shape, axis, size):
    if dtype not in emulator.dtypes:
        pytest.skip("ml_dtypes is not installed")
    rng = np.random.default_rng(0)
    values, index = rng.integers(-8, 9, shape) / 8, rng.integers(0, size, shape[axis])
    dy, position = emulator.asarray(values.astype(np.float32), dtype), emulator.asarray(index)
    y, backward = gathering.scatter_add(dy, position, needs=NEEDS, axis=axis, size=size)
    expected = np.zeros((*shape[:axis], size, *shape[axis + 1:]))
    np.add.at(expected, (slice(None),) * axis + (index,), values)
    rounded = expected.astype(np.float32).astype(y.dtype)
    np.testing.assert_array_equal(emulator.to_numpy(y), rounded)
    np.testing.assert_array_equal(emulator.to_numpy(backward(y)[0]), np.take(rounded, index, axis))


def test_a_position_outside_reads_nothing_and_adds_nothing(emulator):
    x, index = emulator.asarray(np.ones((4, 2), np.float32)), emulator.asarray(np.array([0, 7, -3, 3]))
    y, backward = gathering.take(x, index, needs=NEEDS, axis=0)
    np.testing.assert_array_equal(emulator.to_numpy(y), [[1, 1], [np.nan] * 2, [np.nan] * 2, [1, 1]])
    assert emulator.to_numpy(backward(x)[0]).tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]


def test_other_dtypes_and_gaps_are_declined(emulator):
    x, index = emulator.asarray(np.ones((4, 2), np.float32)), emulator.asarray(np.array([0, 3]))
    for a, i in ((emulator.asarray(np.ones(4)), index), (x.T, index), (x, index[::-1]),
                 (x, emulator.asarray(np.array([0], np.int32)))):
        assert gathering.take(a, i, needs=NEEDS, axis=0) is NotImplemented


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_look_ups_run_on_the_second_device_too(two_devices, dtype):
    values = np.arange(12.0).reshape(3, 4)
    with backends.use("cupy:1"):
        x = tensor(values, requires_grad=True, dtype=dtype)
        index, mask = tensor([2, 0, 2]), tensor(values[0] > 1)
        parts = [x[index], x[[1], np.array([3])], x[:, mask], x.gather(1, index.unsqueeze(1))]
    for part, expected in zip(parts, (values[[2, 0, 2]], [7], values[:, 2:], [[2], [4], [10]])):
        assert part.tolist() == np.asarray(expected).tolist()
        assert part.array.device == two_devices.cuda.Device(1)
        part.sum().backward()
    assert x.grad.tolist() == [[1, 1, 3, 2], [1, 0, 1, 2], [2, 2, 4, 3]]
    assert F.one_hot(index, 3).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    with pytest.raises(IndexError, match="index 3 is out of range for axis 0 with size 3"):
        x[tensor([3], backend="cupy:1")]
