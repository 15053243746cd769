"""Running extremes: every backend's are those of a loop, ties and NaN included."""

import math

import numpy as np
import pytest

import cnnkit

ROWS = np.array([[2.0, 1.0, 2.0, 3.0, 3.0, 0.0, 3.0], [1.0, math.nan, 5.0, math.nan, 0.0, 9.0, -math.inf]])


def loop(row, largest):
    best, where, found = row[0], 0, []
    for place, value in enumerate(row):
        wins = value >= best if largest else value <= best
        if math.isnan(value) or (wins and not math.isnan(best)):
            best, where = value, place
        found.append(where)
    return found


@pytest.mark.parametrize("largest", [True, False])
def test_the_extreme_so_far_is_the_loop_s(backend, largest):
    function = cnnkit.cummax if largest else cnnkit.cummin
    x = cnnkit.tensor(ROWS.astype(np.float32), requires_grad=True)
    values, indices = function(x, 1)
    assert indices.tolist() == [loop(row, largest) for row in ROWS]
    np.testing.assert_array_equal(values.detach().numpy(),
                                  np.take_along_axis(ROWS, np.asarray(indices.tolist()), 1))
    values[0].sum().backward()
    assert x.grad[0].tolist() == np.bincount(loop(ROWS[0], largest), minlength=7).tolist()


def test_other_axes_dtypes_and_shapes():
    x = cnnkit.tensor([[3, 1], [2, 5]])
    assert x.cummin(0).values.tolist() == [[3, 1], [2, 1]]
    assert cnnkit.tensor([False, True, False]).cummax(-1).indices.tolist() == [0, 1, 1]
    assert cnnkit.tensor(4.0).cummax(0).indices.item() == 0
    assert cnnkit.zeros(2, 0).cummax(1).values.shape == (2, 0)
    with pytest.raises(IndexError, match="cummax"):
        x.cummax(2)
