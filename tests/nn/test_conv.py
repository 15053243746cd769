"""Conv2d: its parameters, its text, and its errors."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


def image(*shape):
    return cnnkit.tensor(np.zeros(shape, np.float32))


@pytest.mark.parametrize("arguments", [
    {}, {"padding": 1}, {"stride": 2, "padding": (1, 2), "dilation": (2, 1)},
    {"groups": 2, "bias": False}, {"padding": "same"},
    {"padding": 1, "padding_mode": "reflect"}])
def test_looks_like_pytorchs(arguments):
    torch = pytest.importorskip("torch")
    assert repr(nn.Conv2d(4, 8, 3, **arguments)) == repr(torch.nn.Conv2d(4, 8, 3, **arguments))


def test_takes_pytorchs_weights_and_gives_its_outputs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2)
    ours = nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 4, 7, 8)).astype(np.float32)
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(),
                               rtol=1e-5, atol=1e-6)


def test_parameters_are_uniform_up_to_one_over_the_root_of_fan_in():
    layer = nn.Conv2d(8, 64, (3, 5), groups=2)
    bound = (4 * 3 * 5) ** -0.5
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
        np.testing.assert_allclose(values.std(), bound / 3 ** 0.5, rtol=0.2)
    assert layer.weight.shape == (64, 4, 3, 5)


def test_initial_weights_are_the_same_on_every_backend():
    layers = []
    for backend in ("numpy", "array-api-strict"):
        cnnkit.random.seed(5)
        layers.append(nn.Conv2d(3, 4, 3, backend=backend))
    for one, other in zip(*(layer.parameters() for layer in layers)):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert layers[1].weight.backend == "array-api-strict"


def test_dtype_is_the_parameters():
    assert nn.Conv2d(1, 2, 3, dtype="float64").weight.dtype == np.float64


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"in_channels": 0}, ValueError, "in_channels to be an integer of at least 1; got in_channels=0"),
    ({"out_channels": 0}, ValueError, "out_channels=0"),
    ({"out_channels": 2.5}, ValueError, r"out_channels=2\.5"),
    ({"groups": 4}, ValueError, r"groups must divide both numbers of channels\. Use one of groups=1, 2"),
    ({"groups": 0}, ValueError, "groups=0"),
    ({"kernel_size": 0}, ValueError, "kernel_size must be"),
    ({"stride": 0}, ValueError, "stride must be"),
    ({"padding": -1}, ValueError, "padding must be"),
    ({"padding": "full"}, ValueError, "padding must be"),
    ({"padding_mode": "mirror"}, ValueError, "'reflect', 'replicate', 'circular'; got 'mirror'"),
])
def test_wrong_settings_are_refused_when_the_layer_is_made(arguments, error, message):
    with pytest.raises(error, match=message):
        nn.Conv2d(**{"in_channels": 6, "out_channels": 8, "kernel_size": 3} | arguments)


@pytest.mark.parametrize(("channels", "shape", "message"), [
    (3, (8, 1, 28, 28), r"Conv2d\(in_channels=3\) got an input of shape \(8, 1, 28, 28\): 1 channel\. "
                        r"Give it images of shape \(N, 3, H, W\), or make the layer with in_channels=1"),
    (3, (8, 28, 28, 3), r"28 channels\. If the channels are last, use \.permute\(0, 3, 1, 2\)"),
    (3, (28, 28, 3), r"use \.permute\(2, 0, 1\)"),
    (1, (8, 28, 28), r"8 grey images, give them an axis for their channel with \.unsqueeze\(1\)"),
    (1, (28, 28), r"2 axes\. It takes images \(N, C, H, W\), or one image \(C, H, W\)\. .*\.unsqueeze\(0\)"),
    (3, (5,), "1 axis"),
])
def test_a_wrong_number_of_channels_names_the_layer_the_shape_and_the_fix(channels, shape, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(channels, 4, 3)(image(*shape))


def test_padding_can_be_asymmetric():
    layer = nn.Conv2d(1, 2, 3, padding=((0, 1), (2, 0)))
    assert layer(image(1, 1, 5, 5)).shape == (1, 2, 4, 5)
    assert "padding=((0, 1), (2, 0))" in repr(layer)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_modes_equal_pytorch(rank, mode):
    torch = pytest.importorskip("torch")
    settings = {"padding": (2, 1, 1)[:rank], "padding_mode": mode}
    theirs = getattr(torch.nn, f"Conv{rank}d")(2, 3, 3, **settings).double()
    ours = getattr(nn, f"Conv{rank}d")(2, 3, 3, **settings, dtype="float64")
    ours.load_state_dict(theirs.state_dict())
    values = np.random.default_rng(0).normal(size=(2, 2, 5, 4, 6)[:rank + 2])
    x, t = cnnkit.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    (y, expected) = (ours(x) ** 2).sum(), (theirs(t) ** 2).sum()
    y.backward(), expected.backward()
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-10)


def test_same_padding_is_mirrored_too():
    layer = nn.Conv1d(1, 1, 4, padding="same", padding_mode="reflect", bias=False)
    nn.init.ones_(layer.weight)
    assert layer(cnnkit.tensor([[[1.0, 2.0, 3.0, 4.0]]])).tolist() == [[[8, 10, 12, 12]]]


def test_a_transposed_convolution_has_no_padding_modes():
    with pytest.raises(ValueError, match="ConvTranspose2d has padding_mode 'zeros'; got 'reflect'"):
        nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect")


@pytest.mark.parametrize(("settings", "size"), [
    ({"stride": 2}, (9, 10)), ({"stride": 3, "padding": 1, "dilation": 2}, (14, 13)), ({}, (1, 2, 6, 6))])
def test_a_transposed_convolution_makes_the_size_that_is_asked_for(settings, size):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.ConvTranspose2d(2, 2, 3, **settings)
    ours = nn.ConvTranspose2d(2, 2, 3, **settings)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    expected = theirs(torch.tensor(x), output_size=size).detach().numpy()
    np.testing.assert_allclose(ours(cnnkit.tensor(x), output_size=size).numpy(), expected, rtol=1e-5,
                               atol=1e-6)


@pytest.mark.parametrize(("size", "message"), [
    ((7, 9), r"requested an output size of \(7, 9\), but valid sizes range from \[9, 9\] to \[10, 10\]"),
    ((11, 9), "valid sizes"), ((9,), r"it needs 2 or 4 numbers")])
def test_a_size_that_cannot_be_is_refused(size, message):
    with pytest.raises(ValueError, match=message):
        nn.ConvTranspose2d(1, 1, 3, stride=2)(image(1, 1, 4, 4), output_size=size)
