"""Features of a layer inside a network: those that it computes, as a network and as a data set on a disk."""

import numpy as np
import pytest

import cnnkit
from cnnkit import features_at, models, nn, train
from cnnkit.data import ArrayDataset, DataLoader, Subset, transforms

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(4 * 49, 3))


def test_features_are_what_the_layer_gives_and_what_comes_behind_is_not_computed(backend):
    model = net().eval()
    model[5].register_forward_hook(lambda *_: pytest.fail("the head was called"))
    x = cnnkit.tensor(PICTURES.transpose(0, 3, 1, 2) / np.float32(255))
    expected = model[2](model[1](model[0](x)))
    expected = expected.detach().numpy()
    np.testing.assert_allclose(features_at(model, "2")(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    pooled = features_at(model, "2", pool=True)(x)
    np.testing.assert_allclose(pooled.detach().numpy(), expected.mean((2, 3)), rtol=1e-4, atol=1e-6)


def test_gradients_go_through_and_no_hook_is_left():
    model = net()
    features_at(model, "3")(cnnkit.zeros(2, 3, 16, 16)).sum().backward()
    assert model[0].weight.grad is not None
    assert model[5].weight.grad is None
    assert model(cnnkit.zeros(2, 3, 16, 16)).shape == (2, 3)


@pytest.mark.parametrize("name", ["layer3", "layer3.0.conv1"])
def test_layers_are_named_with_dots(name):
    model = models.cifar_resnet20(width_mult=0.25).eval()
    assert features_at(model, name)(cnnkit.zeros(1, 3, 32, 32)).shape == (1, 16, 8, 8)


def test_a_layer_that_is_not_there_or_not_called_is_told():
    with pytest.raises(AttributeError, match="no submodule 'layer9'"):
        features_at(net(), "layer9")

    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(RuntimeError, match="Idle did not call its layer 'idle'"):
        features_at(Idle(), "idle")(cnnkit.zeros(1, 1))


def test_a_data_set_of_features_is_learnt_from():
    features = features_at(net(), "3", pool=True).dataset((PICTURES, LABELS), batch_size=4)
    assert (features.inputs.shape, features.targets.tolist()) == ((6, 4), LABELS)
    head = nn.Linear(4, 3)
    assert len(train.fit(head, features, epochs=2, progress=False)) == 2


def test_pictures_are_normalised_as_the_network_wants_them():
    model = net().eval()
    data = ArrayDataset(PICTURES, LABELS, transform=transforms.Compose([
        transforms.ToTensor(), transforms.Normalize(0.5, 0.25)]))
    train.fit(model, data, progress=False)
    from_arrays = features_at(model, "3").dataset((PICTURES, LABELS))
    np.testing.assert_allclose(from_arrays.inputs, features_at(model, "3").dataset(data).inputs, rtol=1e-5)


@pytest.mark.parametrize("data", [
    (PICTURES, LABELS), ArrayDataset(PICTURES, LABELS), Subset(ArrayDataset(PICTURES, LABELS), range(4))])
def test_features_are_kept_on_the_disk_and_read_again(tmp_path, data):
    model = net()
    first = features_at(model, "3").dataset(data, cache=tmp_path / "features")
    model[0].register_forward_pre_hook(lambda *_: pytest.fail("the features were computed again"))
    again = features_at(model, "3").dataset(data, cache=tmp_path / "features")
    np.testing.assert_array_equal(again.inputs, first.inputs)
    np.testing.assert_array_equal(again.targets, first.targets)


def test_other_weights_images_layers_and_transforms_have_files_of_their_own(tmp_path):
    model = net()
    normalised = ArrayDataset(PICTURES, LABELS, transform=transforms.Compose([
        transforms.ToTensor(), transforms.Normalize(0.5, 0.25)]))

    def files(layer="3", data=(PICTURES, LABELS), **options):
        features_at(model, layer, **options).dataset(data, cache=tmp_path)
        return len(list(tmp_path.iterdir()))

    assert [files(), files(), files("2"), files(pool=True), files(data=(PICTURES[::-1].copy(), LABELS)),
            files(data=normalised)] == [1, 1, 2, 3, 4, 5]
    nn.init.zeros_(model[0].bias)
    assert files() == 6


def test_a_damaged_file_is_made_anew_with_a_warning(tmp_path):
    model = net()
    first = features_at(model, "3").dataset((PICTURES, LABELS), cache=tmp_path)
    file, = tmp_path.iterdir()
    file.write_bytes(b"nonsense")
    with pytest.warns(UserWarning, match="computed anew"):
        again = features_at(model, "3").dataset((PICTURES, LABELS), cache=tmp_path)
    np.testing.assert_array_equal(again.inputs, first.inputs)


def test_data_that_may_be_others_the_next_time_are_not_cached(tmp_path):
    with pytest.raises(ValueError, match="features of a DataLoader cannot be cached"):
        features_at(net(), "3").dataset(DataLoader(ArrayDataset(PICTURES, LABELS), 2), cache=tmp_path)
