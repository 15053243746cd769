"""Batch norm layers beside PyTorch's: running statistics, modes, buffers, errors."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn

SETTINGS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False},
            {"eps": 0.1, "momentum": 0.5}]


@pytest.mark.needs("torch")
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("name", "shape"),
                         [("BatchNorm2d", (4, 3, 2, 5)), ("BatchNorm1d", (6, 3)), ("BatchNorm1d", (4, 3, 5))])
def test_three_batches_and_an_evaluation_equal_pytorch(name, shape, settings):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    theirs, ours = (getattr(torch.nn, name)(3, **settings).double(),
                    getattr(nn, name)(3, **settings, dtype="float64"))
    assert repr(ours) == repr(theirs)
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


@pytest.mark.needs("torch")
@pytest.mark.parametrize("settings", [{}, {"affine": True, "bias": False}, {"track_running_stats": True},
                                      {"affine": True, "track_running_stats": True, "momentum": 0.3}])
@pytest.mark.parametrize(("name", "shape"), [
    ("InstanceNorm1d", (3, 5)), ("InstanceNorm2d", (4, 3, 2, 5)), ("InstanceNorm3d", (2, 3, 2, 3, 2)),
    ("InstanceNorm1d", (2, 3, 4))])
def test_instance_norm_equals_pytorch(name, shape, settings):
    torch = pytest.importorskip("torch")
    theirs, ours = (getattr(library, name)(3, **settings).double() for library in (torch.nn, nn))
    values = np.random.default_rng(0).normal(2, 3, shape)
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        x, t = cnnkit.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        y, expected = ours(x), theirs(t)
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
        (y ** 3).sum().backward(), (expected ** 3).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-8, atol=1e-11)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-9, err_msg=key)


def test_instance_norm_needs_more_than_one_pixel_and_warns_of_other_channels():
    x = cnnkit.tensor(np.zeros((2, 3, 1, 1), np.float32))
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        nn.InstanceNorm2d(3)(x)
    with pytest.raises(ValueError, match=r"InstanceNorm1d\(num_features=4\) .* 3 channels"):
        nn.InstanceNorm1d(4, affine=True)(x[..., 0])
    with pytest.warns(UserWarning, match="it makes no difference"):
        nn.InstanceNorm1d(4)(cnnkit.tensor(np.zeros((2, 3, 4), np.float32)))


def test_sync_batch_norm_is_batch_norm_of_one_process():
    inner = nn.Sequential(nn.BatchNorm2d(2, affine=False))
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), inner)
    weight, state = model[1].weight, model.state_dict()
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32))
    expected = model(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    converted.load_state_dict(state)
    assert [type(m).__name__ for m in converted.modules()].count("SyncBatchNorm") == 2
    assert converted[1].weight is weight
    assert converted(x).tolist() == expected.tolist()
    with pytest.raises(ValueError, match="takes in all ranks"):
        nn.SyncBatchNorm(2, process_group=1)
    with pytest.raises(ValueError, match="at least 2D input"):
        nn.SyncBatchNorm(2)(cnnkit.tensor([1.0, 2.0]))
