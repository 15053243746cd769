"""`cnnkit train`: the model is saved whatever happens; unsuitable data are refused before the training."""

import importlib
import tempfile

import numpy as np
import pytest
from PIL import Image
from pressing import at_batch, press

from cnnkit import models, nn
from cnnkit.cli import run, training
from cnnkit.models import registry


def class_folders(root, per_class, names=("cat", "dog"), side=8):
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(root / name / f"{i}.png")
    return root


def test_the_accuracy_is_the_last_epochs_and_not_measured_again(monkeypatch, capsys):
    def again(*arguments, **keywords):
        raise KeyboardInterrupt

    importlib.import_module("cnnkit.train")  # fit measures each epoch with the function as it is
    monkeypatch.setattr(importlib.import_module("cnnkit.evaluation.evaluate"), "measure", again)
    assert run(["train", "digits", "--epochs", "1", "--out", "net"]) == 0
    settings = models.read_settings("net.safetensors")
    assert settings["accuracy"] == settings["history"][-1]["val_accuracy"]
    assert "after 1 epoch in" in capsys.readouterr().out


def test_ctrl_c_after_the_last_epoch_waits_for_the_model_to_be_saved(monkeypatch, capsys):
    real = models.save_model

    def pressed(*arguments, **keywords):
        press()
        return real(*arguments, **keywords)

    monkeypatch.setattr(models, "save_model", pressed)
    assert run(["train", "digits", "--epochs", "1", "--out", "net"]) == 0
    assert models.load_model("net").settings["accuracy"] > 0


def test_ctrl_c_says_in_which_epoch_it_stopped_and_measures_what_was_learnt(monkeypatch, capsys):
    at_batch(monkeypatch, 60, times=1)
    assert run(["train", "digits", "--epochs", "3", "--out", "net"]) == 0
    out = capsys.readouterr().out
    assert "Stopped by Ctrl-C in epoch 2 of 3" in out
    assert "after 1 whole epoch in" in out
    settings = models.read_settings("net.safetensors")
    assert settings["accuracy"] > 0
    assert (settings["training"]["epochs"], settings["training"]["interrupted"],
            len(settings["history"])) == (1, True, 2)


def test_a_second_ctrl_c_saves_what_was_learnt_and_says_where(monkeypatch, capsys):
    at_batch(monkeypatch, 60, times=2)
    assert run(["train", "digits", "--epochs", "3", "--out", "net"]) == 130
    assert capsys.readouterr().err == (
        "cnnkit: interrupted in epoch 2 of 3; the model as it was then is saved to net.safetensors; "
        "net.checkpoints/checkpoint-000001.json has the run after 59 updates, in epoch 2 of 3; "
        "what was learnt is kept, and this goes on from there: "
        "cnnkit train digits --epochs 3 --out net --resume\n")
    settings = models.read_settings("net.safetensors")
    assert (settings["accuracy"], settings["training"]["epochs"], len(settings["history"])) == (None, 1, 1)
    assert models.load_model("net").classes == list("0123456789")


def test_a_folder_that_cannot_be_written_to_is_named_before_the_training(monkeypatch, capsys, elsewhere):
    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", "somewhere")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    monkeypatch.setattr("cnnkit.train.fit", lambda *arguments, **keywords: pytest.fail("it trained"))
    assert run(["train", "digits", "--out", "shut/net"]) == 2
    assert capsys.readouterr().err == ("cnnkit: --out: no file can be written to the folder shut (Permission "
                                       "denied); name another with --out\n")
    (elsewhere / "net.safetensors").mkdir()
    assert run(["train", "digits", "--out", "net"]) == 2
    assert "net.safetensors is a folder" in capsys.readouterr().err


def test_too_few_images_to_hold_any_out_are_counted(capsys, elsewhere):
    for per_class, count in ((1, "2 images"), (2, "4 images")):
        class_folders(elsewhere / "pets", per_class)
        assert run(["train", "pets"]) == 2
        assert f"pets has {count}: at least 5 are needed" in capsys.readouterr().err


def test_one_class_is_refused(capsys, elsewhere):
    class_folders(elsewhere / "pets", 6, ["cat"])
    assert run(["train", "pets"]) == 2
    error = capsys.readouterr().err
    assert error == "cnnkit: pets has one class only (cat): a classifier needs two or more\n"


def test_a_model_trained_inside_its_data_folder_is_named_after_it_and_is_no_class(capsys, elsewhere,
                                                                                  monkeypatch):
    monkeypatch.chdir(class_folders(elsewhere / "pets.v1", 6))
    for _ in range(2):
        assert run(["train", ".", "--epochs", "0"]) == 0
        assert "models/pets.v1-CommonCNN.safetensors" in capsys.readouterr().out


def test_advice_names_the_option_of_the_command_line(capsys, elsewhere, monkeypatch):
    class_folders(elsewhere / "pets", 3)
    class_folders(elsewhere / "pets", 1, side=9)
    assert run(["train", "pets"]) == 2
    assert "--size on the command line" in capsys.readouterr().err
    monkeypatch.setattr("cnnkit.data.datasets.MNIST._places", lambda self: iter([elsewhere]))
    assert run(["train", "mnist"]) == 2
    assert "--download on the command line" in capsys.readouterr().err


@pytest.fixture
def registered(monkeypatch):
    """Registrations made in a test end with it."""
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())


class Dense(nn.Module):
    """A class of one's own that the command line can make."""

    def __init__(self, input_shape, classes=10):
        super().__init__()
        self.config = {"input_shape": input_shape, "classes": classes}
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), classes))

    def forward(self, x):
        return self.layers(x)


@pytest.mark.usefixtures("registered")
def test_a_registered_class_of_ones_own_is_trained_measured_and_shown_by_its_name(capsys):
    models.register(Dense)
    assert run(["train", "digits", "--model", "Dense", "--epochs", "2"]) == 0
    assert run(["evaluate", "models/digits-Dense", "digits", "--min-accuracy", "0.5"]) == 0
    assert run(["summary", "Dense", "--input-shape", "1,8,8", "--classes", "3"]) == 0
    assert "(64 x 3) + 3 = 195" in capsys.readouterr().out


@pytest.mark.usefixtures("registered")
def test_a_model_that_cannot_be_made_for_the_images_is_refused_with_those_that_can(capsys):
    @models.register
    class Fixed(Dense):
        def __init__(self, width=3):
            super().__init__((1, 8, 8), width)

    assert run(["train", "digits", "--model", "Fixed"]) == 2
    assert "--model Fixed: it cannot be made for these images" in capsys.readouterr().err
    assert run(["train", "digits", "--model", "Nothing"]) == 2
    message = capsys.readouterr().err
    assert "there is no model 'Nothing'; there are CNN, CommonCNN, " in message
    assert " Fixed" in message


@pytest.mark.parametrize(("precision", "message"), [
    ("16", "'32-true', '16-mixed', 'bf16-mixed'; got '16'"),
    ("bf16-mixed", "precision='bf16-mixed' needs bfloat16, which the backend 'numpy' has not")])
def test_a_precision_that_cannot_be_is_named(precision, message, capsys):
    assert run(["train", "digits", "--precision", precision, "--backend", "numpy"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("images", "batch", "epochs"), [(1438, 32, 30), (850, 32, 50), (60000, 32, 3),
                                                         (12, 32, 100), (1438, 128, 100)])
def test_few_images_get_many_epochs(images, batch, epochs):
    assert training._epochs(images, batch) == epochs


def test_class_weight_weight_decay_and_workers_are_used_and_saved(capsys):
    common = ["train", "digits", "--epochs", "1", "--optimizer", "adamw"]
    for name, options in (("plain", []), ("workers", ["--workers", "2"]), ("flip", ["--augment", "flip"]),
                          ("flip2", ["--augment", "flip", "--workers", "2"]),
                          ("decay", ["--weight-decay", "0.5"]),
                          ("weights", ["--class-weight", "balanced"])):
        assert run([*common, *options, "--out", name]) == 0
    names = ("plain", "workers", "decay", "weights", "flip", "flip2")
    saved = {name: models.load_model(name) for name in names}
    weights = {name: model.model.classifier[1].weight.numpy() for name, model in saved.items()}
    assert (weights["plain"] == weights["workers"]).all()
    assert (weights["flip"] == weights["flip2"]).all()
    assert (weights["flip"] != weights["plain"]).any()
    assert np.abs(weights["decay"]).sum() < np.abs(weights["plain"]).sum()
    assert (weights["weights"] != weights["plain"]).any()
    assert saved["decay"].settings["training"]["weight_decay"] == 0.5
    assert saved["weights"].settings["training"]["class_weight"] == "balanced"
