"""LeNet-5."""

import pytest

import cnnkit
from cnnkit import models, nn


def test_it_takes_the_papers_activation_and_pooling():
    model = models.lenet5(activation="tanh", pooling="avg")
    assert {type(layer) for layer in model.features} == {nn.Conv2d, nn.Tanh, nn.AvgPool2d}
    assert model(cnnkit.zeros((2, 1, 28, 28))).shape == (2, 10)


@pytest.mark.parametrize(("settings", "message"), [
    ({"activation": "sigmoid"}, "activation='relu' or 'tanh'; got 'sigmoid'"),
    ({"pooling": "min"}, "pooling='max' or 'avg'; got 'min'")])
def test_other_choices_are_refused_with_those_that_there_are(settings, message):
    with pytest.raises(ValueError, match=message):
        models.lenet5(**settings)


def test_images_of_another_size_are_refused_with_the_way_to_resize_them():
    with pytest.raises(ValueError, match=r"28x28, got an input of shape \(1, 1, 32, 32\); resize"):
        models.lenet5()(cnnkit.zeros((1, 1, 32, 32)))
