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
