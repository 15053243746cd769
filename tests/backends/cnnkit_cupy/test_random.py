"""Dropout kernels: the elements that NumPy drops, whatever the shape and the memory layout."""

import numpy as np
import pytest
from cnnkit_cupy import pool
from cnnkit_cupy.launcher import contiguous
from layouts import LAYOUTS, laid_out

from cnnkit import backends, random
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


def both(x, on_device, dy, dy_on_device, **attrs):
    """Output and gradient of the kernels and of the generic op on NumPy."""
    emulator = backends.get("emulator")
    with backends.use("emulator"):
        (y,), backward = OPS["dropout"](on_device, needs=(True,), **attrs)
        (dx,) = backward(dy_on_device)
    exact, exact_backward = OPS["dropout"].generic(x, needs=(True,), **attrs)
    for actual, expected in zip((y, dx), (exact, *exact_backward(dy))):
        np.testing.assert_array_equal(emulator.to_numpy(actual), expected)
    return y, dx


@pytest.mark.parametrize("limit", [pool.LIMIT, 1], ids=["int", "long long"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (2, 4, 3, 4), (1, 1, 1, 1), (3, 8, 1, 1),
                                   (2, 2, 1, 5), (0, 3, 2, 2)], ids=str)
def test_images_lose_the_elements_that_numpy_drops_and_keep_the_channels_last(
        shape, layout, limit, monkeypatch):
    monkeypatch.setattr(pool, "LIMIT", limit)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    x = np.broadcast_to(x[:1], shape) if layout == "broadcast" else x
    for result in both(x, laid_out(x, layout), dy, laid_out(dy, "plain"), p=0.4, key=(3, 2**32 - 1)):
        assert contiguous(result, channels_last=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape",
                         [(), (1,), (3,), (8,), (1027,), (5, 9), (2, 3, 5), (2, 3, 1, 2, 5)], ids=str)
def test_other_shapes_lose_the_elements_that_numpy_drops(shape, dtype):
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    x, dy = (np.asarray(rng.standard_normal(shape)).astype(dtype) for _ in range(2))
    both(x, emulator.asarray(x), dy, emulator.asarray(dy), p=0.3, key=(7, 9))
    # the same values, in another order in memory
    transposed = backends.get("emulator").asarray(np.ascontiguousarray(dy.T)).T
    both(x, emulator.asarray(x), dy, transposed, p=0.3, key=(7, 9))


def test_arrays_that_begin_anywhere_are_served_too():
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    x = rng.standard_normal(41).astype(np.float32)
    both(x[1:], emulator.asarray(x)[1:], x[1:], emulator.asarray(x)[1:], p=0.5, key=(1, 2))


@pytest.mark.parametrize("count", [0, 1, 2, 513])
def test_bits_are_those_of_every_backend(count):
    with backends.use("emulator"):
        actual = backends.get("emulator").to_numpy(random.bits((5, 6), count))
    np.testing.assert_array_equal(actual, random.bits((5, 6), count))
