"""Look-ups by position: other rows stay untouched, sums keep their bits, and the cost is linear."""

import time

import numpy as np
import pytest

from cnnkit import backends, tensor
from cnnkit.ops import OPS
from cnnkit.ops.gathering import positions


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinities_and_nan_stay_in_their_rows(backend, bad):
    table = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32)
    table[1, 0] = bad
    x = tensor(table, requires_grad=True)
    y = x[tensor([0, 1, 3, 0])]
    np.testing.assert_array_equal(y.numpy(), table[[0, 1, 3, 0]])
    dy = np.array([[1, 1], [bad, 2], [3, 3], [4, 4]], np.float32)
    y.backward(tensor(dy))
    np.testing.assert_array_equal(x.grad.numpy(), [[5, 5], [bad, 2], [0, 0], [3, 3]])


@pytest.mark.parametrize("tables", [None, ("numpy",), ()], ids=["cpu", "numpy", "generic"])
def test_the_gradient_of_a_look_up_costs_no_product_of_rows_and_table(tables):
    rng = np.random.default_rng(0)
    x = tensor(np.zeros((50_000, 8), np.float32), requires_grad=True)
    with backends.tables(*tables) if tables is not None else backends.use("numpy"):
        y = x[tensor(rng.integers(0, 50_000, 2000))].sum()
        start = time.perf_counter()
        y.backward()
        assert time.perf_counter() - start < 0.5  # the product has 6.4e9 terms
    assert x.grad.sum().item() == 16_000


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("axis", [0, 1])
def test_numbers_of_16_bits_are_summed_in_float32(backend, dtype, axis):
    if dtype not in backend.backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    ones = backend.backend.asarray(np.ones((5000, 2) if axis == 0 else (2, 5000), np.float32), dtype)
    index = backend.asarray(np.zeros(5000, np.int64))
    (y,), _ = OPS["scatter_add"](ones, index, axis=axis, size=2)
    assert backends.dtype_name(y.dtype) == dtype
    total = 5000 if dtype == "float16" else 4992  # the nearest bfloat16
    expected = np.array([[total] * 2, [0] * 2])
    y = backend.backend.namespace.astype(y, backend.backend.dtype("float32"))
    np.testing.assert_array_equal(backend.to_numpy(y), expected if axis == 0 else expected.T)


def test_a_sum_has_the_same_bits_in_every_run(backend):
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((500, 3), dtype=np.float32)
    index = rng.integers(0, 7, 500)
    arrays = backend.asarray(dy), backend.asarray(index)
    runs = [backend.to_numpy(OPS["scatter_add"](*arrays, axis=0, size=9)[0][0])
            for _ in range(3)]
    assert len({run.tobytes() for run in runs}) == 1
    expected = np.zeros((9, 3))
    np.add.at(expected, index, dy.astype(np.float64))
    np.testing.assert_allclose(runs[0], expected, rtol=1e-5, atol=1e-4)


def test_positions_are_int64_from_0_on(backend):
    index = positions(backend.asarray(np.array([[-128, 127]], np.int8)), 200, axis=0)
    assert backends.dtype_name(index.dtype) == ("int32" if backend.name == "jax" else "int64")
    assert backend.to_numpy(index).tolist() == [[72, 127]]


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x, i: OPS["take"](x, i, axis=2), IndexError, r"take got axis 2 for an array of shape \(3, 4\)"),
    (lambda x, i: OPS["take"](x, x, axis=0), TypeError, r"take needs int64 positions .* got float64\. Conv"),
    (lambda x, i: OPS["take"](x, i[None], axis=0), ValueError, r"positions of shape \(n,\); got \(1, 2\)"),
    (lambda x, i: OPS["scatter_add"](x, i, axis=0, size=9), ValueError, "along axis 0 it needs 3 of them"),
    (lambda x, i: OPS["take_along_axis"](x, i, axis=0), ValueError, "for axis 0 the shapes must broadcast"),
    (lambda x, i: OPS["take_along_axis"](x, np.array([[4]]), axis=-1), IndexError,
     "index 4 is out of range for axis 1 with size 4"),
])
def test_calls_that_make_no_sense_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(np.zeros((3, 4)), np.array([0, 1]))
