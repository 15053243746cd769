"""ParameterDict is a mapping whose values are trained."""

import pytest

import cnnkit
from cnnkit import nn


def test_it_is_edited_like_a_dict():
    held = nn.ParameterDict({"a": cnnkit.ones(1)})
    held.update([("b", nn.Parameter(cnnkit.ones(2)))])
    held["a"] = cnnkit.zeros(3)
    assert list(held) == ["a", "b"] == list(held.state_dict())
    assert isinstance(held["a"], nn.Parameter)
    assert held.pop("a").shape == (3,)
    assert "a" not in held
    assert len(held) == 1
    with pytest.raises(KeyError, match="has no parameter 'a'; it has b"):
        held["a"]
    with pytest.raises(TypeError, match="holds Tensors; got int"):
        held["c"] = 1
    held.clear()
    assert not list(held.parameters())


def test_it_counts_as_the_owners_and_runs_in_a_set():
    net = nn.Module()
    net.scales = nn.ParameterDict({"x": cnnkit.ones(1)})
    assert [name for name, _ in net.named_parameters()] == ["scales.x"]
    assert len({net.scales, net.scales}) == 1
