"""Dropout on Tensors draws a key at each call, and only then."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


def ones():
    return cnnkit.tensor([1.0] * 32)


def test_the_same_seed_drops_the_same_places_and_the_next_call_others():
    cnnkit.random.seed(5)
    first, second = F.dropout(ones()).tolist(), F.dropout(ones()).tolist()
    cnnkit.random.seed(5)
    assert F.dropout(ones()).tolist() == first != second


@pytest.mark.parametrize("arguments", [{"training": False}, {"p": 0.0}])
def test_without_dropping_the_input_comes_back_and_nothing_is_drawn(arguments):
    x, state = ones(), cnnkit.random.get_state()
    assert F.dropout(x, **arguments) is x
    assert cnnkit.random.get_state() == state


def test_no_probability_raises_in_evaluation_too():
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        F.dropout(ones(), 2, training=False)


@pytest.mark.parametrize(("function", "shape", "whole"), [
    (F.dropout1d, (8, 40, 3), (2,)), (F.dropout1d, (320, 3), (1,)), (F.dropout2d, (8, 40, 3, 2), (2, 3)),
    (F.dropout3d, (8, 40, 3, 2, 2), (2, 3, 4)), (F.dropout3d, (320, 3, 2, 2), (1, 2, 3))])
def test_whole_channels_are_dropped(function, shape, whole):
    cnnkit.manual_seed(1)
    x = cnnkit.ones(*shape, requires_grad=True)
    y = function(x, 0.25)
    values = y.detach().numpy()
    np.testing.assert_array_equal(values.min(whole), values.max(whole))
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.08)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)
    z = cnnkit.ones(*shape)
    assert function(z, 1.0, inplace=True) is z
    assert z.abs().max().item() == 0
    assert function(z, 0.5, training=False) is z


@pytest.mark.parametrize(("function", "whole"), [(F.alpha_dropout, ()), (F.feature_alpha_dropout, (2, 3))])
def test_alpha_dropout_keeps_mean_and_variance(function, whole):
    cnnkit.manual_seed(1)
    x = cnnkit.randn(100, 100, 4, 1)
    y = function(x, 0.3, training=True).numpy()
    assert y.mean() == pytest.approx(0, abs=0.03)
    assert y.std() == pytest.approx(1, abs=0.03)
    values, counts = np.unique(y, return_counts=True)
    dropped = y == values[counts.argmax()]  # all of them have one value
    assert dropped.mean() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(dropped.min(whole), dropped.max(whole))
    assert function(x, 0.3) is x
    assert function(x, 1.0, training=True).abs().max().item() == 0


def test_stochastic_depth_drops_samples_or_all():
    cnnkit.manual_seed(0)
    rows = F.stochastic_depth(cnnkit.ones(400, 3), 0.2, "row").numpy()
    assert set(np.unique(rows)) == {np.float32(0), np.float32(1.25)}
    assert (rows == 0).mean() == pytest.approx(0.2, abs=0.06)
    np.testing.assert_array_equal(rows.min(1), rows.max(1))
    for _ in range(5):
        assert len(np.unique(F.stochastic_depth(cnnkit.ones(4, 3), 0.5, "batch").numpy())) == 1
    with pytest.raises(ValueError, match="mode has to be"):
        F.stochastic_depth(cnnkit.ones(2), 0.5, "column")
