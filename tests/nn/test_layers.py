"""Dropout, flatten and identity give PyTorch's results; what dropout, ReLU and softmax do in a network."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

LAYERS = [("Flatten", {}), ("Flatten", {"start_dim": 0, "end_dim": 1}), ("Dropout", {"p": 0.0}),
          ("Identity", {})]


@pytest.mark.parametrize(("name", "settings"), LAYERS)
def test_layer_equals_pytorchs_in_result_and_repr(name, settings):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(),
                               rtol=1e-9, atol=1e-12)
    assert repr(ours) == repr(theirs)


def test_dropout_drops_in_training_only():
    layer, x = nn.Dropout(0.5), cnnkit.tensor([1.0] * 64)
    assert 0.0 in layer(x).tolist()
    assert layer.eval()(x) is x


def test_dropout_needs_a_probability():
    with pytest.raises(ValueError, match=r"has to be between 0 and 1, but got 1\.5"):
        nn.Dropout(1.5)


def test_layers_change_their_input_if_told_to():
    for layer in nn.ReLU(inplace=True), nn.ELU(inplace=True), nn.Dropout(1.0, inplace=True):
        x = cnnkit.tensor([-1.0])
        assert layer(x) is x
        assert x.tolist() != [-1.0]


def test_softmax_before_the_cross_entropy_is_not_the_cross_entropy_but_log_softmax_is():
    x, target = cnnkit.tensor([[2.0, 0.0]]), cnnkit.tensor([0])
    loss = nn.CrossEntropyLoss()
    assert loss(F.log_softmax(x, 1), target).item() == pytest.approx(loss(x, target).item())
    assert loss(F.softmax(x, 1), target).item() != pytest.approx(loss(x, target).item())
