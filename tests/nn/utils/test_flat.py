"""Parameters become a vector and come back from it."""

import pytest

from cnnkit import nn


def test_a_vector_gives_the_parameters_back():
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(one.parameters())
    nn.utils.vector_to_parameters(vector, other.parameters())
    assert other.weight.tolist() == one.weight.tolist()
    assert other.bias.tolist() == one.bias.tolist()
    with pytest.raises(ValueError, match="more elements"):
        nn.utils.vector_to_parameters(vector[:4], other.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.utils.vector_to_parameters([1.0], other.parameters())
