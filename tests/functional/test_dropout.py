"""Dropout on Tensors draws a key at each call, and only then."""

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
