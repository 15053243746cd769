"""Batch norm layers beside PyTorch's: running statistics, modes, buffers, errors."""

import re

import numpy as np
import pytest

import cnnkit
from cnnkit import nn

SETTINGS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False},
            {"eps": 0.1, "momentum": 0.5}]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("name", "shape"),
                         [("BatchNorm2d", (4, 3, 2, 5)), ("BatchNorm1d", (6, 3)), ("BatchNorm1d", (4, 3, 5))])
def test_three_batches_and_an_evaluation_equal_pytorch(name, shape, settings):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    theirs, ours = (getattr(torch.nn, name)(3, **settings).double(),
                    getattr(nn, name)(3, **settings, dtype="float64"))
    assert repr(ours) == re.sub(" bias=[a-zA-Z]+,", "", repr(theirs))  # PyTorch 2.13 shows one more setting
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        x = rng.normal(2, 3, shape)
        np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(),
                                   rtol=1e-9, atol=1e-12)
    ours.eval()
    theirs.eval()
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(),
                               rtol=1e-9, atol=1e-12)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[key].numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


def test_evaluation_changes_no_buffer():
    layer = nn.BatchNorm2d(3).eval()
    layer(cnnkit.tensor(np.ones((2, 3, 2, 2), np.float32)))
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.num_batches_tracked.item() == 0


def test_reset_running_stats_forgets_all_batches():
    layer = nn.BatchNorm2d(2)
    layer(cnnkit.tensor(np.random.default_rng(0).normal(size=(2, 2, 2, 2)).astype(np.float32)))
    layer.reset_running_stats()
    assert ((layer.running_mean.tolist(), layer.running_var.tolist(), layer.num_batches_tracked.item())
            == ([0, 0], [1, 1], 0))


@pytest.mark.parametrize("layer", [nn.BatchNorm2d, nn.BatchNorm1d])
def test_wrong_channels_raise_naming_the_layer_and_the_fix(layer):
    shape = (2, 1, 4, 4) if layer is nn.BatchNorm2d else (2, 1)
    with pytest.raises(ValueError, match=rf"{layer.__name__}\(num_features=3\) got an input of shape .*: "
                                         r"1 channels in axis 1\. Make the layer with num_features=1"):
        layer(3)(cnnkit.tensor(np.zeros(shape, np.float32)))


def test_wrong_axes_raise_naming_the_layer():
    with pytest.raises(ValueError, match=r"BatchNorm2d\(num_features=3\) "
                       r"expected 4D input \(got 2D input of shape \(2, 3\)\)"):
        nn.BatchNorm2d(3)(cnnkit.tensor(np.zeros((2, 3), np.float32)))
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        nn.BatchNorm1d(3)(cnnkit.tensor(np.zeros((2, 3, 1, 1), np.float32)))


def test_one_value_per_channel_raises_in_training_only():
    layer, x = nn.BatchNorm1d(3), cnnkit.tensor(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        layer(x)
    assert layer.eval()(x).shape == (1, 3)


def test_buffers_are_no_parameters_and_follow_the_layer():
    layer = nn.BatchNorm2d(3, backend="array-api-strict")
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    assert {b.backend for b in layer.buffers()} == {"array-api-strict"}
    layer.to("numpy")
    assert {b.backend for b in layer.buffers()} == {"numpy"}
