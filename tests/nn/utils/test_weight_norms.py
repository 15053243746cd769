"""Weights made of norms have PyTorch's values, gradients and names, in both of PyTorch's forms."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn

torch = pytest.importorskip("torch")


def older(library):
    return library.nn.utils


def newer(library):
    return library.nn.utils.parametrizations


def run(net, library, x, state=None):
    net = net.double()
    if state is not None:
        net.load_state_dict(state)
    for _ in range(2):
        y = net(library.tensor(x))
    (y * y).sum().backward()
    values = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    return values, [p.grad.numpy() for p in net.parameters()], y.detach().numpy()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("form", [older, newer])
@pytest.mark.parametrize(("function", "settings"), [
    ("weight_norm", {}), ("weight_norm", {"dim": None}), ("weight_norm", {"dim": 1}),
    ("spectral_norm", {}), ("spectral_norm", {"n_power_iterations": 3})])
@pytest.mark.parametrize("layer", ["Conv2d", "ConvTranspose2d"])
def test_values_gradients_and_names_are_pytorchs(form, function, settings, layer):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    theirs, ours = (getattr(form(library), function)(getattr(library.nn, layer)(3, 4, 3), **settings)
                    for library in (torch, cnnkit))
    state = {name: value.double().numpy().copy() for name, value in theirs.state_dict().items()}
    expected, actual = run(theirs, torch, x), run(ours, cnnkit, x, state)
    assert list(actual[0]) == list(expected[0])
    assert [list(p.shape) for p in ours.parameters()] == [list(p.shape) for p in theirs.parameters()]
    for a, b in zip([*expected[0].values(), *expected[1], expected[2]],
                    [*actual[0].values(), *actual[1], actual[2]], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("function", ["weight_norm", "spectral_norm"])
def test_a_removed_norm_leaves_the_weight_that_it_gave(function):
    layer = getattr(nn.utils, function)(nn.Linear(3, 2))
    layer.eval()
    before = layer(cnnkit.ones(1, 3))
    getattr(nn.utils, f"remove_{function}")(layer)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight"]
    np.testing.assert_allclose(layer(cnnkit.ones(1, 3)).detach().numpy(), before.detach().numpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="not found"):
        getattr(nn.utils, f"remove_{function}")(layer)


def test_a_parametrisation_is_removed_with_its_class():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    value = layer.weight.detach().numpy()
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight"]
    np.testing.assert_array_equal(layer.weight.detach().numpy(), value)


def test_a_parametrised_layer_looks_like_pytorchs():
    ours, theirs = (library.nn.utils.parametrizations.weight_norm(library.nn.Linear(2, 2))
                    for library in (cnnkit, torch))
    assert repr(ours) == repr(theirs)
