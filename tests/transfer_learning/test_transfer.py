"""`transfer`: a new head, a frozen backbone, and a model that is saved and built as before."""

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, train, transfer
from cnnkit.data import InputFormat
from cnnkit.transfer_learning import frozen_names


@pytest.mark.parametrize("name", ["cifar_resnet20", "squeezenet1_1",
                                  pytest.param("googlenet", marks=pytest.mark.heavy)])
def test_a_model_with_a_new_head_is_saved_and_loaded(name, tmp_path):
    model = transfer(models.build(name, {"width_mult": 0.125}), 3)
    assert model.config["num_classes"] == 3
    assert not any(name.startswith(("fc", "linear", "classifier.1")) for name in frozen_names(model))
    model.input_format = InputFormat((3, 64, 64), 0.0, 1.0)
    back = models.load_model(models.save_model(model, tmp_path / "net", ["a", "b", "c"])).model
    x = cnnkit.tensor(np.random.default_rng(0).random((2, 3, 64, 64), np.float32))
    expected = model.eval()(x).detach().numpy()
    np.testing.assert_allclose(back(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_backbone_stays_as_it_was():
    model = models.cifar_resnet20(width_mult=0.25)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    transfer(model, 4)
    train.fit(model, (np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8), [0, 1, 2, 3] * 2),
              progress=False)
    for name, value in model.state_dict().items():
        if not name.startswith("linear"):
            np.testing.assert_array_equal(value.numpy(), before[name])


def test_what_is_frozen_is_chosen_and_what_was_frozen_before_is_not():
    model = transfer(models.cifar_resnet20(width_mult=0.25), 4)
    transfer(model, 5, freeze="layer1")
    assert {name.split(".")[0] for name in frozen_names(model)} == {"layer1"}
    assert frozen_names(transfer(model, 5, freeze=None)) == []


def test_the_names_of_the_old_classes_are_forgotten_and_the_pixels_format_is_not():
    model = models.cifar_resnet20(width_mult=0.25)
    model.input_format = InputFormat((3, 32, 32), -2.0, 2.0, (0.5,), (0.25,), ("cat",) * 10, of_weights=True)
    transfer(model, 2)
    assert model.input_format == InputFormat((3, 32, 32), -2.0, 2.0, (0.5,), (0.25,), of_weights=True)


def test_the_guides_networks_have_heads_too(tmp_path):
    model = transfer(models.CommonCNN((1, 8, 8)), 3)
    back = models.load_model(models.save_model(model, tmp_path / "net")).model
    assert back(cnnkit.zeros(1, 1, 8, 8)).shape == (1, 3)


@pytest.mark.parametrize("number", [0, -1, 2.5, "3"])
def test_the_number_of_classes_is_one(number):
    with pytest.raises((ValueError, TypeError), match="num_classes"):
        transfer(nn.Sequential(nn.Linear(2, 2)), number)
