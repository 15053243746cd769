"""`cnnkit train --pretrained`: weights of others, a new head, pictures as the weights want them."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import models, safetensors, train
from cnnkit.cli import run
from cnnkit.data import Preprocessing
from cnnkit.models import weights

SMALL = ["--set", "width_mult=0.25"]


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """An entry of a small network's weights, a folder of photographs of two classes, and the network."""
    cnnkit.random.seed(7)
    network = models.cifar_resnet20(width_mult=0.25)
    (tmp_path / "weights").mkdir()
    path = safetensors.save_file(network.state_dict(), tmp_path / "weights" / "small.safetensors")
    monkeypatch.setenv("CNNKIT_DATA", str(tmp_path))
    monkeypatch.setitem(weights.KNOWN, "small", {
        "architecture": "cifar_resnet20", "file": path.name, "url": "https://example.org", "licence": "MIT",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "accuracy": {}, "accuracy_source": "none",
        "parameters": 1, "class_names_of": "cifar10", "input_shape": (3, 16, 16),
        "preprocessing": Preprocessing((16, 16), (16, 16), (100.0,) * 3, (50.0,) * 3, "RGB", 255)})
    draw = np.random.default_rng(0)
    for name, brightest in (("dark", 200), ("light", 256)):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(10):
            pixels = draw.integers(brightest - 200, brightest, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{number}.png")
    return network


def test_the_head_is_new_and_the_backbone_frozen(entry, capsys):
    options = ["--pretrained", "small", *SMALL, "--epochs", "1", "--out", "net"]
    assert run(["train", "photographs", *options]) == 0
    printed = capsys.readouterr().out
    assert "Training cifar_resnet20 (17,190 parameters, 17,156 of them frozen) on photographs" in printed
    saved = models.load_model("net")
    assert saved.classes == ["dark", "light"]
    assert (saved.input_shape, saved.model.input_format.mean) == ((3, 16, 16), (100 / 255,) * 3)
    assert saved.settings["training"]["pretrained"] == "small"
    state = entry.state_dict()
    for name, value in saved.model.state_dict().items():
        if not name.startswith("linear."):
            np.testing.assert_array_equal(value.numpy(), state[name].numpy())


def test_predict_prepares_photographs_as_training_did(entry, capsys):
    assert run(["train", "photographs", "--pretrained", "small", *SMALL, "--epochs", "2", "--out", "net",
                "--freeze", "nothing"]) == 0
    capsys.readouterr()
    path = "photographs/light/3.png"
    assert run(["predict", "net.safetensors", path, "--json", "--probabilities"]) == 0
    found = [*json.loads(capsys.readouterr().out)[0]["probabilities"].values()]
    prepared = weights.get("small").preprocess(path)
    expected = train.predict_proba(models.load_model("net").model, prepared[None]).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-3)  # resizing rounds in one of two ways


@pytest.mark.parametrize(("freeze", "frozen"), [("nothing", "17,190 parameters)"), ("2", "frozen)")])
def test_what_is_frozen_is_chosen(entry, capsys, freeze, frozen):
    assert run(["train", "photographs", "--pretrained", "small", *SMALL, "--epochs", "0", "--out", "net",
                "--freeze", freeze]) == 0
    assert frozen in capsys.readouterr().out


def test_a_file_of_weights_needs_the_name_of_its_network(entry, tmp_path, capsys):
    cnnkit.save({"state_dict": entry.state_dict()}, tmp_path / "mine.pth")
    assert run(["train", "photographs", "--pretrained", "mine.pth", *SMALL, "--epochs", "0"]) == 2
    assert "--model must say of which network" in capsys.readouterr().err
    assert run(["train", "photographs", "--pretrained", "mine.pth", "--model", "cifar_resnet20", *SMALL,
                "--epochs", "0", "--size", "16", "--out", "net"]) == 0
    model = models.load_model("net").model
    np.testing.assert_array_equal(model.conv1.weight.numpy(), entry.conv1.weight.numpy())


@pytest.mark.parametrize(("options", "match"), [
    (["--pretrained", "nothing"], "there are no weights 'nothing'; there are squeezenet1_1"),
    (["--pretrained", "none.pt", "--model", "resnet18"], "there is no file none.pt"),
    (["--pretrained", "small", "--model", "resnet18"], "leave --model out"),
    (["--pretrained", "small"], "of another network than this CifarResNet"),
    (["--pretrained", "small", *SMALL, "--freeze", "layer9"], "no part 'layer9'"),
    (["--freeze", "backbone"], "give --pretrained too")])
def test_what_does_not_go_together_is_told(entry, capsys, options, match):
    assert run(["train", "photographs", *options, "--epochs", "0"]) == 2
    assert match in capsys.readouterr().err


def test_gray_pictures_are_told_of(entry, capsys):
    assert run(["train", "digits", "--pretrained", "small", *SMALL]) == 2
    assert "is for 3 channels, but an image of shape (1, 8, 8) has 1" in capsys.readouterr().err
