"""Arrays of the emulated device keep to themselves, as CuPy's do."""

import numpy as np
import pytest
from cnnkit_emulator.array import NAMESPACE as xp
from cnnkit_emulator.array import Array


@pytest.mark.parametrize("convert",
                         [np.asarray, np.array, np.sum, np.from_dlpack, lambda x: np.ones(2) + x,
                          lambda x: x * np.ones(2), lambda x: xp.add(x, np.ones(2)), lambda x: np.add(x, 1)],
                         ids=["asarray", "array", "sum", "dlpack", "left", "right", "function", "ufunc"])
def test_nothing_turns_into_numpy_by_accident(convert):
    with pytest.raises((TypeError, AttributeError)):
        convert(xp.asarray([1.0, 2.0]))


def test_results_stay_on_the_device_scalars_too():
    x = xp.asarray(np.ones((2, 3), np.float32))
    assert isinstance(xp.sum(x), Array)
    assert isinstance(x[0, 0], Array)
    assert all(isinstance(part, Array) for part in (*xp.nonzero(x), x.T, -x, 2 * x, x == 2 * x, *x))
    assert xp.sum(x).shape == ()
    assert float(xp.sum(x)) == 6
    assert (x + 1).dtype == np.float32


def test_a_new_array_holds_nothing_useful():
    assert bool(xp.all(xp.isnan(xp.empty((2, 3), dtype=xp.float32))))
    assert bool(xp.all(xp.empty((2,), dtype=xp.int8) == -1))


def test_data_come_in_as_copies():
    data = np.zeros(2)
    x = xp.asarray(data)
    data[0] = 1
    assert float(x[0]) == 0


def test_the_namespace_has_the_standards_names_only():
    assert not hasattr(xp, "einsum")
    with pytest.raises(ValueError, match="one device"):
        xp.zeros(2, device="cuda")


def last():
    return xp.permute_dims(xp.asarray(np.arange(240.0).reshape(2, 5, 6, 4)), (0, 3, 1, 2))


@pytest.mark.parametrize("compute", [
    lambda x: x + x, lambda x: 2 * x, lambda x: -x, lambda x: x <= 0, lambda x: xp.where(x > 0, x, x),
    lambda x: xp.maximum(x, x), xp.exp, lambda x: xp.concat([x, x], axis=1), lambda x: xp.sum(x, axis=0),
    lambda x: x[xp.asarray([0, 1])], lambda x: xp.stack([x, x])], ids=range(11))
def test_what_is_computed_is_in_c_order_as_cupys_results_are(compute):
    y = compute(last())
    assert y.host.flags.c_contiguous


@pytest.mark.parametrize("keep", [
    xp.zeros_like, xp.ones_like, lambda x: xp.full_like(x, 2), lambda x: xp.astype(x, xp.float32),
    lambda x: xp.asarray(x, copy=True)], ids=range(5))
def test_arrays_like_another_have_its_order_as_cupys_have(keep):
    x, y = last(), keep(last())
    assert [s // y.dtype.itemsize for s in y.strides] == [s // 8 for s in x.strides]


@pytest.mark.parametrize("view", [
    lambda x: x[:, 1:], lambda x: xp.permute_dims(x, (0, 2, 3, 1)), lambda x: xp.flip(x, axis=1),
    lambda x: xp.broadcast_to(x, (3, *x.shape)), lambda x: xp.moveaxis(x, 1, 0)], ids=range(5))
def test_a_view_is_one(view):
    x = last()
    y = view(x)
    assert np.may_share_memory(x.host, y.host)
