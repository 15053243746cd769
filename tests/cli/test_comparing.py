"""``cnnkit compare``."""

import json

import pytest

from cnnkit import backends
from cnnkit.backends import KernelTable
from cnnkit.cli import run
from cnnkit.ops import OPS


@pytest.fixture
def doubling():
    """A table whose gradient of a linear layer's weight is twice what it should be."""
    def linear(*arrays, needs, **attrs):
        y, backward = OPS["linear"].generic(*arrays, needs=needs, **attrs)

        def doubled(dy):
            dx, dw, db = backward(dy)
            return dx, dw + dw, db
        return y, backward and doubled
    backends.register_table(KernelTable("doubling", "numpy", {"linear": linear}))
    yield
    backends.register_table(remove="doubling")


@pytest.mark.heavy
def test_two_backends_that_agree(capsys):
    assert run(["compare", "numpy", "array-api-strict", "CommonCNN", "digits", "--steps", "1"]) == 0
    assert "numpy and array-api-strict agree." in capsys.readouterr().out


def test_a_wrong_kernel_is_shown_and_gives_status_1(capsys, doubling):
    command = ["compare", "numpy", "doubling", "CommonCNN", "digits", "--steps", "1", "--batch-size", "8"]
    assert run(command) == 1
    out = capsys.readouterr().out
    assert "numpy and doubling part in step 1, on the way back: classifier.fc2, gradient of weight" in out
    assert "likely cause: wrong kernel: doubling: " in out
    assert run([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["parted"]["layer"] == "classifier.fc2"


@pytest.mark.heavy
def test_two_saved_models(capsys, trained, tmp_path):
    from cnnkit import models

    saved = models.load_model(trained[0])
    saved.model.classifier.fc2.bias.data += 1
    other = models.save_model(saved.model, tmp_path / "other.safetensors", saved.classes)
    assert run(["compare", str(trained[0]), str(other), "digits", "--steps", "1"]) == 1
    assert "part before the first step: classifier.fc2.bias, value" in capsys.readouterr().out
    assert run(["compare", "numpy", "numpy", str(trained[0]), "digits", "--steps", "1", "--ulps", "0"]) == 0


def test_a_model_that_is_not_there_is_named(capsys):
    assert run(["compare", "numpy", "numpy", "nowhere", "digits"]) == 2
    assert "nowhere is neither a saved model's file nor one of" in capsys.readouterr().err


def test_a_run_is_saved_and_compared_with(capsys, tmp_path, doubling):
    run_file = str(tmp_path / "run.safetensors")
    command = ["--steps", "1", "--batch-size", "8", "--save", run_file]
    assert run(["compare", "numpy", "CommonCNN", "digits", *command]) == 0
    assert f"Run saved to {run_file}" in capsys.readouterr().out
    assert run(["compare", run_file, "numpy", "CommonCNN"]) == 0
    assert "and numpy agree." in capsys.readouterr().out
    assert run(["compare", run_file, "doubling", "CommonCNN"]) == 1
    assert "likely cause: wrong kernel: doubling: " in capsys.readouterr().out


def test_saving_takes_one_backend(capsys, tmp_path):
    command = ["compare", "numpy", "cpu", "CommonCNN", "digits", "--save", str(tmp_path / "run.safetensors")]
    assert run(command) == 2
    assert "--save takes one backend" in capsys.readouterr().err
