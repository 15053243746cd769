"""The guide's architecture as one call."""

import json

import numpy as np
import pytest

import cnnkit
from cnnkit import models


def kinds(sequential):
    return [type(layer).__name__ for layer in sequential]


def test_it_returns_scores_not_probabilities():
    scores = models.CNN((1, 8, 8), classes=3)(cnnkit.tensor(np.ones((5, 1, 8, 8), "float32"))).numpy()
    assert scores.shape == (5, 3)
    assert not np.allclose(scores.sum(1), 1)


def test_predict_proba_is_the_softmax_of_the_scores_without_dropout_or_tape():
    model = models.CNN((1, 8, 8), dropout=0.9).train()
    x = cnnkit.tensor(np.random.default_rng(0).random((5, 1, 8, 8), "float32"))
    p = model.predict_proba(x)
    assert model.training
    assert not p.requires_grad
    np.testing.assert_allclose(p.numpy(),
                               cnnkit.functional.softmax(model.eval()(x), dim=1).numpy(), rtol=1e-6)
    np.testing.assert_array_equal(model.predict(x).numpy(), p.numpy().argmax(1))


def test_its_parts_are_readable():
    model = models.CommonCNN((1, 28, 28))
    assert repr(model).splitlines()[:4] == [
        "CommonCNN(", "  (features): Sequential(",
        "    (conv1): Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=same)",
        "    (relu1): ReLU()"]
    layers = ("features.conv1", "features.conv2", "classifier.fc1", "classifier.fc2")
    assert [name for name, _ in model.named_parameters()] == [
        f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_common_cnn_is_cnn_with_its_defaults():
    common, cnn = (repr(kind((3, 32, 32))).split("\n", 1)[1] for kind in (models.CommonCNN, models.CNN))
    assert common == cnn


def test_every_option_puts_its_layer_in_place():
    model = models.CNN((1, 16, 16), conv=[(4, 3), (8, 3, 2)], hidden=[32], activation="leaky_relu",
                       pooling="avg", dropout=0.5, batch_norm=True, pool=[2, 0])
    assert kinds(model.features) == ["Conv2d", "BatchNorm2d", "LeakyReLU", "AvgPool2d", "Conv2d",
                                     "BatchNorm2d", "LeakyReLU"]
    assert kinds(model.classifier) == ["Flatten", "Linear", "LeakyReLU", "Dropout", "Linear"]
    assert model.features[0].bias is None
    assert model(cnnkit.tensor(np.ones((2, 1, 16, 16), "float32"))).shape == (2, 10)


@pytest.mark.parametrize("settings", [
    {"hidden": []}, {"conv": []}, {"pool": 0}, {"pool": None}, {"padding": 2}, {"conv": [(4, (3, 5))]},
    {"stride": 2}, {"ceil_mode": True}, {"conv": [(4, 3, (1, 2))], "padding": ((1, 0), (0, 1))},
    {"dtype": "float64"}, {"activation": "tanh"}], ids=str)
def test_any_choice_fits_together_and_is_made_again_from_its_config(settings):
    model = models.CNN((2, 20, 14), **settings)
    x = cnnkit.tensor(np.random.default_rng(1).random((2, 2, 20, 14)), dtype=settings.get("dtype", "float32"))
    again = models.build("CNN", json.loads(json.dumps(model.config)))
    again.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(model(x).numpy(), again(x).numpy())
    assert again.config == model.config


def test_numpy_integers_are_taken_and_kept_as_plain_ones():
    model = models.CNN(np.array([1, 8, 8]), classes=np.int64(3), hidden=[np.int32(5)])
    assert json.loads(json.dumps(model.config))["classes"] == 3


def test_the_image_that_gets_too_small_is_named_with_what_would_fit():
    with pytest.raises(ValueError, match=r"CNN\(input_shape=\(1, 28, 28\)\): the image is 3x3 before conv 4, "
                                         r"whose window is 5x5; use padding='same' \(here padding=2 gives "
                                         r"\(3, 3\).*kernel_size=3 or less"):
        models.CNN((1, 28, 28), conv=[(4, 3), (4, 3), (4, 3), (4, 5)], padding="valid", pool=[2, 2, 0, 0])


def test_a_pooling_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"the image is 1x1 before pool 4, whose window is 2x2; "
                                         r"use fewer poolings \(.*\), ceil"):
        models.CNN((1, 8, 8), conv=[(4, 3)] * 4)
    with pytest.raises(ValueError, match=r"the image is 1x1 before pool 2, .*convolution\), "
                                         r"padding='same', ceil_mode=True, or"):
        models.CNN((1, 8, 8), padding="valid")


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (3, 1, 64), (2, 5, 1), (1, 7, 3)])
def test_with_ceil_mode_images_of_any_size_can_be_pooled(shape):
    model = models.CNN(shape, ceil_mode=True, conv=[(4, 3)] * 4)
    assert model(cnnkit.tensor(np.ones((2, *shape), "float32"))).shape == (2, 10)


@pytest.mark.parametrize(("shape", "hint"), [
    ((2, 3, 8, 8), r"it takes \(N, 1, 8, 8\)$"),
    ((2, 8, 8), r"x.unsqueeze\(1\)"), ((1, 8, 8), r"x.unsqueeze\(0\)"),
    ((2, 8, 8, 1), r"x.permute\(0, 3, 1, 2\)")])
def test_images_of_another_shape_are_refused_with_a_hint(shape, hint):
    with pytest.raises(ValueError,
                       match=r"CommonCNN\(input_shape=\(1, 8, 8\)\) got an input of shape .*" + hint):
        models.CommonCNN((1, 8, 8))(cnnkit.tensor(np.ones(shape, "float32")))


@pytest.mark.parametrize(("settings", "message"), [
    ({"input_shape": (28, 28)}, r"takes input_shape=\(C, H, W\)"),
    ({"input_shape": (0, 8, 8)}, "at least one pixel and channel"),
    ({"conv": [8, 16]}, r"conv takes one \(filters, kernel_size\)"),
    ({"conv": [(0, 3)]}, "filters must be whole numbers"),
    ({"hidden": [12.5]}, "hidden must be whole numbers"), ({"hidden": 128}, "hidden must be whole numbers"),
    ({"classes": 0}, "classes must be whole numbers"),
    ({"pool": [2]}, "one for each of the 2 convolutions"), ({"pool": 1.5}, "pool takes one whole number"),
    ({"activation": "gelo"}, "activation is one of 'relu', 'leaky_relu'"),
    ({"pooling": "min"}, "pooling is one of 'max', 'avg'"),
    ({"padding": "full"}, "padding must be"), ({"dropout": 2.0}, "dropout")])
def test_an_argument_that_makes_no_sense_says_what_does(settings, message):
    with pytest.raises(ValueError, match=message):
        models.CNN(**{"input_shape": (1, 8, 8), **settings})


def test_every_model_has_a_name_that_builds_it():
    for kind in (models.CNN, models.CommonCNN):
        assert type(models.build(kind.__name__, {"input_shape": [1, 8, 8], "classes": 2})) is kind


@pytest.mark.parametrize(("name", "config", "message"), [
    ("ResNet", {}, "there is no model 'ResNet'; there are CNN, CommonCNN"),
    ("os.system", {"command": "true"}, "there is no model"),
    ("CNN", {"input_shape": [1, 8, 8], "depth": 3},
     "CNN has no argument 'depth'; its config has input_shape, conv"),
    ("CNN", {}, "cannot be made from the config"), ("CNN", [1], "has no argument 'list'"),
    ("CNN", {"input_shape": [1, 8, 8], "activation": ["relu"]}, "cannot be made from the config"),
    ("CommonCNN", {"conv": [[8, 3]]},
     "CommonCNN has no argument 'conv'; its config has input_shape, classes, dtype")])
def test_settings_that_name_no_model_are_refused(name, config, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, config)


def test_every_library_gives_the_same_scores(backend):
    with cnnkit.use("numpy"):
        expected = models.CommonCNN((1, 12, 12))
        x = np.random.default_rng(2).random((3, 1, 12, 12), "float32")
        y = expected(cnnkit.tensor(x)).numpy()
    model = models.build("CommonCNN", expected.config)
    model.load_state_dict(expected.state_dict())
    np.testing.assert_allclose(model(backend.asarray(x)).numpy(), y, rtol=1e-4, atol=1e-6)
