"""Estimators of ready-made networks: by name, with others' weights, frozen, and saved as a whole."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from sklearn.base import clone

from cnnkit import models, safetensors
from cnnkit.sklearn import CNNClassifier, CNNRegressor
from cnnkit.transfer_learning import frozen_names

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (12, 16, 16, 3), np.uint8), np.array(["a", "b", "c"] * 4)


@pytest.fixture
def file(tmp_path):
    """Weights of a ResNet-20 in a file."""
    return safetensors.save_file(models.cifar_resnet20().state_dict(), tmp_path / "net.safetensors")


def test_a_network_by_name_is_made_for_the_images():
    clf = CNNClassifier("cifar_resnet20", max_epochs=1, random_state=0).fit(X[..., :1], Y)
    assert (clf.module_.conv1.in_channels, clf.module_.linear.out_features) == (1, 3)
    assert frozen_names(clf.module_) == []
    assert clf.predict_proba(X[..., :1]).shape == (12, 3)


def test_weights_are_loaded_frozen_and_get_a_new_head(file):
    clf = CNNClassifier("cifar_resnet20", weights=file, max_epochs=2, random_state=0).fit(X, Y)
    state = safetensors.load_file(file)
    for name, value in clf.module_.state_dict().items():
        if not name.startswith("linear"):
            np.testing.assert_array_equal(value.numpy(), state[name].numpy())
    tuned = CNNClassifier("cifar_resnet20", weights=file, freeze=None, max_epochs=1).fit(X, Y)
    assert frozen_names(tuned.module_) == []
    assert not np.array_equal(tuned.module_.conv1.weight.numpy(), state["conv1.weight"].numpy())


def test_pixels_are_normalised_as_the_weights_want_them_whatever_their_scale(file):
    bytes_, shares = (
        CNNClassifier("cifar_resnet20", weights=file, max_epochs=1, random_state=0).fit(images, Y)
        for images in (X, X / np.float32(255)))
    np.testing.assert_allclose(bytes_.pixels_.mean, np.multiply(255, (0.485, 0.456, 0.406)))
    np.testing.assert_allclose(shares.pixels_.scale, (0.229, 0.224, 0.225))
    found = shares.predict_proba(X / np.float32(255))
    np.testing.assert_allclose(bytes_.predict_proba(X), found, atol=1e-4)


def test_images_are_resized_inside_the_network(file):
    clf = CNNClassifier("cifar_resnet20", weights=file, input_size=32, max_epochs=1).fit(X, Y)
    seen = []
    clf.module_[1].conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    clf.predict(X)
    assert seen[0][1:] == (3, 32, 32)


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_a_saved_estimator_needs_no_file_of_weights(file, tmp_path, kind):
    y = Y if kind is CNNClassifier else np.arange(12.0)
    saved = kind("cifar_resnet20", weights=file, input_size=(16, 16), max_epochs=1, random_state=0).fit(X, y)
    path = saved.save(tmp_path / "clf")
    file.unlink()
    loaded = kind.load(path)
    np.testing.assert_array_equal(loaded.predict(X), saved.predict(X))
    assert frozen_names(loaded.module_) == frozen_names(saved.module_)
    loaded.partial_fit(X, y), saved.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.predict(X), saved.predict(X))


def test_it_is_cloned_and_warm_only_with_the_same_weights(file):
    clf = CNNClassifier("cifar_resnet20", weights=file, max_epochs=1, warm_start=True, random_state=0)
    clf.fit(X, Y)
    assert clone(clf).get_params()["weights"] == file
    first = clf.module_
    assert clf.fit(X, Y).module_ is first
    assert clf.set_params(freeze=None).fit(X, Y).module_ is not first


@pytest.mark.parametrize(("settings", "images", "match"), [
    ({"architecture": "nothing"}, X, "no model 'nothing'"),
    ({"architecture": "cifar_resnet20", "weights": "nothing"}, X, "no weights 'nothing'"),
    ({"architecture": "cifar_resnet20", "weights": "squeezenet1_1_bgr"}, X, "the order BGR"),
    ({"weights": "squeezenet1_1"}, X, "is for an architecture by its name"),
    ({"input_size": 32}, X, "is for an architecture by its name"),
    ({"architecture": 3}, X, "a name of models.list")])
def test_settings_that_make_no_sense_are_told(settings, images, match):
    with pytest.raises(ValueError, match=match):
        CNNClassifier(**settings).fit(images, Y)


def test_gray_images_and_weights_of_another_network_are_told(file):
    with pytest.raises(ValueError, match="3 channels"):
        CNNClassifier("cifar_resnet20", weights=file).fit(X[..., 0], Y)
    with pytest.raises(ValueError, match="of another network than this CifarResNet"):
        CNNClassifier("cifar_resnet32", weights=file).fit(X, Y)
