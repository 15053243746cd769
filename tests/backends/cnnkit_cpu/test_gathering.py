"""The C++ look-ups: memory orders, numbers of threads, and positions outside the table."""

import numpy as np
import pytest
from cnnkit_cpu import gathering, library

from cnnkit.ops import OPS


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize(("shape", "axis", "size"), [
    ((3000, 17), 0, 500), ((40_000,), 0, 9), ((3, 5000, 5), 1, 70), ((5, 7000), 1, 3)])
def test_the_bits_do_not_depend_on_the_number_of_threads(monkeypatch, threads, shape, axis, size):
    rng = np.random.default_rng(0)
    dy, index = rng.standard_normal(shape, dtype=np.float32), rng.integers(0, size, shape[axis])
    monkeypatch.setattr(library, "threads", threads)
    y, backward = gathering.scatter_add(dy, index, needs=(True, False), axis=axis, size=size)
    expected = np.zeros_like(y)
    np.add.at(expected, (slice(None),) * axis + (index,), dy)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(y)[0], np.take(expected, index, axis))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int64", "bool"])
@pytest.mark.parametrize(("shape", "axis"), [((900, 33), 0), ((7000,), 0), ((3, 500, 2), 1), ((4, 0, 3), 0)])
def test_rows_of_any_dtype_are_taken(two_threads, dtype, shape, axis):
    rng = np.random.default_rng(0)
    x, index = rng.integers(0, 100, shape).astype(dtype), rng.integers(0, shape[axis], 5000)
    y, _ = gathering.take(x, index, needs=(False, False), axis=axis)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, np.take(x, index, axis))


def test_images_keep_their_channels_last():
    x = np.arange(4 * 3 * 2 * 5, dtype=np.float32).reshape(4, 2, 5, 3).transpose(0, 3, 1, 2)
    y, backward = gathering.take(x, np.array([2, 2, 0]), needs=(True, False), axis=0)
    np.testing.assert_array_equal(y, x[[2, 2, 0]])
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(backward(y)[0][2], 2 * x[2])


def test_a_table_with_gaps_is_declined_because_it_would_be_copied():
    x = np.zeros((6, 4))[::2]
    assert gathering.take(x, np.array([0]), needs=(False, False), axis=0) is NotImplemented


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_a_position_outside_is_found_before_memory_is_touched(bad):
    x, index = np.zeros((2, 5, 3), np.float32), np.array([0, 4, bad])
    message = f"index {bad} is out of range for axis 1 with size 5"
    with pytest.raises(IndexError, match=message):
        OPS["take"](x, index, axis=1)
    with pytest.raises(IndexError, match=message):
        OPS["scatter_add"](x[:, :3], index, axis=1, size=5)
