"""Layers that are one function: their results are PyTorch's, and their settings are the function's."""

import inspect

import numpy as np
import pytest
from layer_settings import settings_of

import cnnkit
import cnnkit.functional as F
from cnnkit import nn

ALL = [name for name in nn.__all__ if name != "FunctionModule" and inspect.isclass(getattr(nn, name))
       and issubclass(getattr(nn, name), nn.FunctionModule)]
# the others have inputs of their own; see tests/functional/test_losses.py
CLASSES = ("CrossEntropyLoss", "MSELoss", "NLLLoss")
LOSSES = [(name, settings) for name in CLASSES for settings in settings_of(name)]
ELSEWHERE = {"Fold": "takes columns: tests/functional/test_unfolding.py",
             "FractionalMaxPool2d": "draws: tests/functional/test_fractional_pooling.py",
             "FractionalMaxPool3d": "draws: tests/functional/test_fractional_pooling.py"}
LAYERS = [(name, settings) for name in ALL if "Loss" not in name and name not in ELSEWHERE
          for settings in settings_of(name)]
SHAPES = {"ChannelShuffle": (2, 4, 3), "LPPool2d": (2, 3, 9, 9), "LPPool3d": (2, 2, 9, 9, 9),
          "LPPool1d": (2, 3, 9), "PixelUnshuffle": (2, 3, 4, 4), "PixelShuffle": (2, 4, 3, 2),
          "Unfold": (2, 3, 9, 9)}  # where (4, 3, 2) does not fit
TWO_INPUTS = ("CosineSimilarity", "PairwiseDistance")


def pytorchs(name):
    """PyTorch's package and its layer of the name; where it has none, the test that asks is skipped."""
    torch = pytest.importorskip("torch")
    if not hasattr(torch.nn, name):
        pytest.skip(f"PyTorch has no {name}")
    return torch, getattr(torch.nn, name)


@pytest.mark.needs("torch")
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize(("name", "settings"), LAYERS)
def test_layer_equals_pytorchs(name, settings):
    torch, layer = pytorchs(name)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(0, 3, size=SHAPES.get(name, (4, 3, 2))) for _ in range(1 + (name in TWO_INPUTS))]
    if name.startswith("LPPool"):  # a root of a negative sum is NaN
        inputs = [abs(x) for x in inputs]
    ours, theirs = getattr(nn, name)(**settings), layer(**settings)
    y, expected = ours(*map(cnnkit.tensor, inputs)).numpy(), theirs(*map(torch.tensor, inputs)).numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "settings"), LOSSES)
def test_loss_equals_pytorchs(name, settings, weighted):
    torch, loss = pytorchs(name)
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(4, 3)), rng.random(3)
    target = rng.normal(size=(4, 3)) if name == "MSELoss" else rng.integers(0, 3, 4)
    if weighted and "weight" not in inspect.signature(getattr(nn, name)).parameters:
        pytest.skip(f"{name} has no weights of classes")
    ours = getattr(nn, name)(**settings, **({"weight": cnnkit.tensor(weight)} if weighted else {}))
    theirs = loss(**settings, **({"weight": torch.tensor(weight)} if weighted else {}))
    np.testing.assert_allclose(ours(cnnkit.tensor(x), cnnkit.tensor(target)).numpy(),
                               theirs(torch.tensor(x), torch.tensor(target)).numpy(), rtol=1e-9, atol=1e-12)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_settings_are_attributes_that_may_be_changed():
    layer = nn.ELU(0.5)
    assert (layer.alpha, layer.inplace) == (0.5, False)
    layer.alpha = 2.0
    assert layer(cnnkit.tensor([-1000.0])).tolist() == [-2.0]


def test_a_setting_that_is_not_there_raises_and_names_those_that_are():
    with pytest.raises(TypeError, match=r"ELU: .* 'beta'; its settings are: alpha, inplace"):
        nn.ELU(beta=1.0)
    with pytest.raises(TypeError, match="Threshold: missing a required argument: 'threshold'"):
        nn.Threshold()
    with pytest.raises(TypeError, match="Tanh: too many positional arguments; its settings are: none"):
        nn.Tanh(1)


def test_a_tensor_given_later_is_a_buffer_too():
    loss = nn.CrossEntropyLoss()
    assert list(loss.state_dict()) == []
    loss.weight = cnnkit.tensor([1.0, 2.0])
    assert list(loss.state_dict()) == ["weight"]


def test_a_subclass_may_have_a_constructor_of_its_own():
    class Twice(nn.LeakyReLU):
        def __init__(self, half):
            super().__init__(2 * half)

    assert list(inspect.signature(Twice).parameters) == ["half"]
    assert repr(Twice(0.25)) == "Twice(negative_slope=0.5)"


def test_a_layer_without_a_function_raises_naming_the_fix():
    with pytest.raises(TypeError, match=r"Layer names no function; write class Layer\(FunctionModule"):
        class Layer(nn.FunctionModule):
            pass


def test_any_function_makes_a_layer():
    class Distance(nn.FunctionModule, function=F.mse_loss, inputs=2):
        pass

    assert repr(Distance("sum")) == "Distance(reduction='sum')"
    assert Distance("sum")(cnnkit.tensor([1.0]), cnnkit.tensor([3.0])).item() == 4.0
