"""Activation, dropout, flatten and loss modules: their functions' results, PyTorch's repr, and training mode."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

LAYERS = [("ReLU", {}), ("ReLU", {"inplace": True}), ("LeakyReLU", {"negative_slope": 0.2}), ("ELU", {"alpha": 0.5}),
          ("Sigmoid", {}), ("SiLU", {}), ("Tanh", {}), ("Softmax", {"dim": 1}), ("LogSoftmax", {"dim": -1}), ("Flatten", {}),
          ("Flatten", {"start_dim": 0, "end_dim": 1}), ("Dropout", {"p": 0.0}), ("Identity", {})]
LOSSES = [("CrossEntropyLoss", {}), ("CrossEntropyLoss", {"label_smoothing": 0.1, "reduction": "sum"}),
          ("CrossEntropyLoss", {"ignore_index": 1}), ("NLLLoss", {"reduction": "none"}), ("MSELoss", {"reduction": "sum"})]


@pytest.mark.parametrize(("name", "settings"), LAYERS)
def test_layer_equals_pytorchs_in_result_and_repr(name, settings):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-9, atol=1e-12)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "settings"), LOSSES)
def test_loss_equals_pytorchs(name, settings, weighted):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)) if name == "MSELoss" else rng.integers(0, 3, 4)
    weight = rng.random(3) if weighted and name != "MSELoss" else None
    ours = getattr(nn, name)(**settings, **({} if weight is None else {"weight": cnnkit.tensor(weight)}))
    theirs = getattr(torch.nn, name)(**settings, **({} if weight is None else {"weight": torch.tensor(weight)}))
    np.testing.assert_allclose(ours(cnnkit.tensor(x), cnnkit.tensor(target)).numpy(),
                               theirs(torch.tensor(x), torch.tensor(target)).numpy(), rtol=1e-9, atol=1e-12)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_dropout_drops_in_training_only():
    layer, x = nn.Dropout(0.5), cnnkit.tensor([1.0] * 64)
    assert 0.0 in layer(x).tolist()
    assert layer.eval()(x) is x


def test_dropout_needs_a_probability():
    with pytest.raises(ValueError, match=r"has to be between 0 and 1, but got 1\.5"):
        nn.Dropout(1.5)


def test_relu_does_not_write_its_input_even_if_told_to():
    x = cnnkit.tensor([-1.0])
    nn.ReLU(inplace=True)(x)
    assert x.tolist() == [-1.0]


def test_softmax_before_the_cross_entropy_is_not_the_cross_entropy_but_log_softmax_is():
    x, target = cnnkit.tensor([[2.0, 0.0]]), cnnkit.tensor([0])
    loss = nn.CrossEntropyLoss()
    assert loss(F.log_softmax(x, 1), target).item() == pytest.approx(loss(x, target).item())
    assert loss(F.softmax(x, 1), target).item() != pytest.approx(loss(x, target).item())
